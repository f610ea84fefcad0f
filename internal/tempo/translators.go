package tempo

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keyOrder is the place of a key in the file.
func keyOrder(key string) int {
	return slices.Index([]string{
		"retention",
		"receiver.listen", "receiver.grpc_listen", "receiver.max_body_bytes",
		"receiver.tls.cert_file", "receiver.tls.key_file", "receiver.tls.client_ca_file",
		"receiver.cors.allowed_origins",
		"http.listen", "http.tls.cert_file", "http.tls.key_file", "http.tls.client_ca_file",
		"log.level", "log.format",
	}, key)
}

// take returns a setting that has a value.
func (t *Translation) take(path string) *setting {
	s := t.byPath[path]
	if s == nil || s.empty {
		return nil
	}
	return s
}

// retentions are where versions of Tempo have it; the first one counts.
var retentions = []string{
	"overrides.defaults.compaction.block_retention",
	"overrides.block_retention",
	"compactor.compaction.block_retention",
	"backend_worker.compaction.block_retention",
	"backend_scheduler.provider.compaction.compaction.block_retention",
}

func translateRetention(t *Translation) {
	done := ""
	for _, path := range retentions {
		s := t.take(path)
		if s == nil {
			continue
		}
		value, err := durationOf(s.text)
		switch {
		case done != "":
			t.ignore(s, done+" says it already")
		case err != nil:
			t.fail(s, "%w", err)
		case value == "0s" && path == retentions[0]:
			t.ignore(s, "0 stands for that of the compactor")
			continue
		case value == "0s":
			t.fail(s, "0 has Tempo purge every block; remove it for the retention of 24h here, "+
				"or write a duration")
		default:
			t.set("retention", value, s)
		}
		done = path
	}
}

// durationOf reads a duration as Tempo does. One with a variable stays as it is,
// since the appliance's file has variables too.
func durationOf(text string) (string, error) {
	if strings.Contains(text, "${") {
		return quoted(text), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		n, notNumber := numberOf(text)
		if notNumber != nil {
			return "", fmt.Errorf("%q is not a duration; write it like 24h", shorten(text))
		}
		d = time.Duration(n)
	}
	if d < 0 {
		return "", fmt.Errorf("%s is negative; write it like 24h", d)
	}
	short := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(short, zero) {
			short = strings.TrimSuffix(short, zero[1:])
		}
	}
	return short, nil
}

// numberOf reads whole numbers as YAML 1.1 has them: 20_000, 0x10.
func numberOf(text string) (int64, error) {
	return strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
}

// quoted is a text that is one in YAML too.
func quoted(text string) string { return strconv.Quote(text) }

const otlp = "distributor.receivers.otlp.protocols."

// receivers are the protocols of OTLP, with our key for where to listen.
var receivers = []struct{ protocol, key, where string }{
	{"http", "receiver.listen", "on port 4318 of all addresses (receiver.listen)"},
	{"grpc", "receiver.grpc_listen", "on port 4317 of the address of receiver.listen " +
		"(receiver.grpc_listen)"},
}

func translateReceivers(t *Translation) {
	for _, r := range receivers {
		under := otlp + r.protocol
		if s := t.byPath[under]; s != nil && s.empty {
			t.ignore(s, fmt.Sprintf("it is received by default, %s", r.where))
		}
		if s := t.take(under + ".endpoint"); s != nil {
			address, err := addressOf(s.text)
			if err != nil {
				t.fail(s, "%w", err)
				continue
			}
			t.set(r.key, quoted(address), s)
		}
	}
	t.takeText(otlp+"http.tls.cert_file", "receiver.tls.cert_file")
	t.takeText(otlp+"http.tls.key_file", "receiver.tls.key_file")
	t.takeText(otlp+"http.tls.client_ca_file", "receiver.tls.client_ca_file")
	if s := t.take(otlp + "http.max_request_body_size"); s != nil {
		switch n, err := numberOf(s.text); {
		case err != nil || n < 0:
			t.fail(s, "%q is not a number of bytes", shorten(s.text))
		case n == 0:
			t.ignore(s, "0 stands for Tempo's default; here it is receiver.max_body_bytes, 16 MiB")
		default:
			t.set("receiver.max_body_bytes", strconv.FormatInt(n, 10), s)
		}
	}
	if s := t.take(otlp + "http.cors.allowed_origins"); s != nil && len(s.items) > 0 {
		items := make([]string, len(s.items))
		for i, item := range s.items {
			items[i] = quoted(item)
		}
		t.set("receiver.cors.allowed_origins", "["+strings.Join(items, ", ")+"]", s)
	}
}

func (t *Translation) takeText(path, key string) {
	if s := t.take(path); s != nil {
		t.set(key, quoted(s.text), s)
	}
}

// addressOf checks host:port.
func addressOf(text string) (string, error) {
	if strings.Contains(text, "${") {
		return text, nil
	}
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		if n, notNumber := strconv.ParseUint(port, 10, 16); notNumber == nil && n > 0 {
			return text, nil
		}
	}
	return "", fmt.Errorf("%q is not an address; write it like 0.0.0.0:4318", shorten(text))
}

// translateHTTP makes one address of Tempo's two keys.
func translateHTTP(t *Translation) {
	host, port := t.take("server.http_listen_address"), t.take("server.http_listen_port")
	address, number := "", "3200"
	var from []*setting
	if host != nil {
		address, from = host.text, append(from, host)
	}
	if port != nil {
		number, from = port.text, append(from, port)
		if n, err := numberOf(port.text); err == nil {
			number = strconv.FormatInt(n, 10)
		}
	}
	if from == nil {
		return
	}
	listen := net.JoinHostPort(address, number)
	if _, err := addressOf(listen); err != nil {
		t.fail(from[len(from)-1], "%w", err)
		return
	}
	t.set("http.listen", quoted(listen), from...)
}

// translateReadTLS takes over the certificate of Tempo's read API. A CA for clients
// holds there only where certificates are demanded, and here always.
func translateReadTLS(t *Translation) {
	const under = "server.http_tls_config."
	t.takeText(under+"cert_file", "http.tls.cert_file")
	t.takeText(under+"key_file", "http.tls.key_file")
	ca, demanded := t.take(under+"client_ca_file"), t.take(under+"client_auth_type")
	switch {
	case ca == nil:
	case demanded != nil && demanded.text == "RequireAndVerifyClientCert":
		t.set("http.tls.client_ca_file", quoted(ca.text), ca, demanded)
	default:
		t.ignore(ca, "http.tls.client_ca_file demands a certificate of each client")
	}
}

func translateLog(t *Translation) {
	if s := t.take("server.log_level"); s != nil {
		switch {
		case strings.Contains(s.text, "${"):
			t.set("log.level", quoted(s.text), s)
		case slices.Contains([]string{"debug", "info", "warn", "error"}, s.text):
			t.set("log.level", s.text, s)
		default:
			t.fail(s, "%q is not a level; there are debug, info, warn and error", shorten(s.text))
		}
	}
	if s := t.take("server.log_format"); s != nil {
		switch s.text {
		case "logfmt":
			t.set("log.format", "text", s)
		case "json":
			t.set("log.format", "json", s)
		default:
			t.fail(s, "%q is not a format; Tempo has logfmt and json", shorten(s.text))
		}
	}
}

func translateTenants(t *Translation) {
	for _, path := range []string{"multitenancy_enabled", "auth_enabled"} {
		s := t.take(path)
		switch {
		case s == nil:
		case slices.Contains([]string{"true", "yes", "on", "y"}, strings.ToLower(s.text)):
			t.advise(s, "name the tenants in receiver.tenants; "+
				"without, the header X-Scope-OrgID is ignored")
		default:
			t.ignore(s, "receiver.tenants is empty by default, which is one tenant")
		}
	}
	if s := t.take("overrides.per_tenant_override_config"); s != nil {
		t.ignore(s, "no limit differs by tenant here; that file is not read")
	}
}

// translateStorage says where Tempo's blocks are and what may be done with them.
func translateStorage(t *Translation) {
	s := t.take("storage.trace.backend")
	if s == nil {
		return
	}
	switch s.text {
	case "local":
		path := "its directory"
		if local := t.take("storage.trace.local.path"); local != nil {
			path = local.text
			local.used = true
		}
		t.advise(s, "blocks are below data_dir here; those in %s can be brought in, see "+
			"docs/tempo.md (to leave them with a Tempo that goes on running: archive.source: %s)",
			path, fileURL(path))
	case "s3":
		t.adviseS3(s)
	default:
		t.advise(s, "blocks are kept on a disk here, and archived to a disk or a bucket that "+
			"speaks S3; %q is neither, so copy its blocks to a directory to bring them in, see "+
			"docs/tempo.md", shorten(s.text))
	}
}

func fileURL(path string) string {
	if !strings.HasPrefix(path, "/") {
		path = "/PATH"
	}
	return "file://" + path
}

// adviseS3 makes a URL of the keys of a bucket. Credentials are not taken over.
func (t *Translation) adviseS3(s *setting) {
	const under = "storage.trace.s3."
	text := func(key string) string {
		if s := t.take(under + key); s != nil {
			s.used = true
			return s.text
		}
		return ""
	}
	var q []string
	for _, key := range []string{"endpoint", "region"} {
		if v := text(key); v != "" {
			q = append(q, key+"="+v)
		}
	}
	if isTrue(text("insecure")) {
		q = append(q, "insecure=true")
	}
	if isTrue(text("forcepathstyle")) {
		q = append(q, "path_style=true")
	}
	parameters := ""
	if len(q) > 0 {
		parameters = "?" + strings.Join(q, "&")
	}
	bucket, prefix := text("bucket"), strings.Trim(text("prefix"), "/")
	if bucket == "" {
		bucket = "BUCKET"
	}
	source := "s3://" + strings.TrimSuffix(bucket+"/"+prefix, "/")
	for _, key := range []string{"access_key", "secret_key", "session_token"} {
		if s := t.take(under + key); s != nil {
			t.ignore(s, "credentials are taken from AWS_ACCESS_KEY_ID and its like, "+
				"or from a file that these name")
		}
	}
	t.advise(s, "blocks are kept on a disk here. The bucket can take the archive, below a prefix "+
		"of its own: archive.store: s3://%s/appliance%s (where Tempo goes on running, its blocks "+
		"there: archive.source: %s%s)", bucket, parameters, source, parameters)
}

// translateRemoteWrite says how the metrics of the generator get to where Tempo
// sends them. Its list of places has more keys than that of Prometheus.
func translateRemoteWrite(t *Translation) {
	if s := t.take("metrics_generator.storage.remote_write"); s != nil {
		t.advise(s, "Prometheus can scrape /metrics, which has the generator's metrics; where it "+
			"cannot, set metrics.remote_write.url (docs/red.md)")
	}
}

func isTrue(text string) bool {
	return slices.Contains([]string{"true", "yes", "on", "y"}, strings.ToLower(text))
}
