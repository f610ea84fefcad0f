package monitoring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// taker is a real Prometheus that takes remote write, behind TLS and a password.
type taker struct {
	address, dir, caFile, userFile string
	client                         *http.Client
	*harness.Process
}

const (
	takerUser     = "appliance"
	takerPassword = "not-a-secret"
	// of takerPassword, as Prometheus wants it
	takerHash = "$2b$05$abcdefghijklmnopqrstuuVPNOToLP9MHdthRCXkVoiIF0qNKnk2G"
)

func newTaker(t *testing.T) *taker {
	t.Helper()
	p := &taker{address: harness.FreePort(t), dir: t.TempDir()}
	write := func(name, text string) string {
		path := filepath.Join(p.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key, pool := selfSigned(t)
	p.caFile = write("cert.pem", cert)
	write("key.pem", key)
	write("web.yml", fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {%s: %q}\n", takerUser, takerHash))
	write("prometheus.yml", "global: {scrape_interval: 1h}\n")
	p.userFile = write("user", takerUser+":"+takerPassword+"\n")
	p.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// start starts it with more flags, and waits until it answers.
func (p *taker) start(t *testing.T, flags ...string) {
	t.Helper()
	args := []string{
		"--config.file=" + filepath.Join(p.dir, "prometheus.yml"), "--web.config.file=" + filepath.Join(p.dir, "web.yml"),
		"--storage.tsdb.path=" + filepath.Join(p.dir, "data"), "--web.listen-address=" + p.address, "--log.level=warn",
	}
	p.Process = harness.StartProcess(t, "prometheus", exec.Command("prometheus", append(args, flags...)...))
	harness.Eventually(t, patience, "a Prometheus", func() error {
		_, err := p.get("/-/ready", nil)
		return err
	})
}

func (p *taker) get(path string, query url.Values) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, "https://"+p.address+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(takerUser, takerPassword)
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s is answered %s: %.300s", path, resp.Status, text)
	}
	return text, err
}

// series are the newest values of what a query selects, by their labels.
func (p *taker) series(query string) (map[string]float64, error) {
	text, err := p.get("/api/v1/query", url.Values{"query": {query}})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%w: %.200s", err, text)
	}
	out := map[string]float64{}
	for _, r := range answer.Data.Result {
		value, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return nil, err
		}
		out[canonical(r.Metric)] = value
	}
	return out, nil
}

// canonical says labels in one way; those without a value are not there.
func canonical(labels map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" {
			all = append(all, fmt.Sprintf("%s=%q", name, labels[name]))
		}
	}
	return strings.Join(all, ",")
}

var scrapedLabel = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)

// scraped are the series of /metrics that are sent, with labels of the sender.
func scraped(t *testing.T, a *harness.Appliance, sender map[string]string) map[string]float64 {
	t.Helper()
	_, samples := a.Metrics(t)
	out := map[string]float64{}
	for sample, value := range samples {
		if !strings.HasPrefix(sample, "traces_") {
			continue
		}
		name, _, _ := strings.Cut(sample, "{")
		labels := maps.Clone(sender)
		labels["__name__"] = name
		for _, m := range scrapedLabel.FindAllStringSubmatch(sample, -1) {
			labels[m[1]] = m[2]
		}
		out[canonical(labels)] = value
	}
	return out
}

// arrive waits until the Prometheus has the series of /metrics, each with its
// value, and no others.
func (p *taker) arrive(t *testing.T, a *harness.Appliance, sender map[string]string, when string) {
	t.Helper()
	harness.Eventually(t, patience, when, func() error {
		want := scraped(t, a, sender)
		got, err := p.series(`{__name__=~"traces_.+"}`)
		if err != nil {
			return err
		}
		if len(want) < 50 || len(got) != len(want) {
			return fmt.Errorf("%d series are sent, and %d on /metrics", len(got), len(want))
		}
		for labels, value := range want {
			if v, ok := got[labels]; !ok || v != value {
				return fmt.Errorf("%s is %v (%v), and %v on /metrics", labels, v, ok, value)
			}
		}
		return nil
	})
}

// TestRemoteWrite sends to a real Prometheus what /metrics has. One that refuses
// it, one that asks for a password, one that is away: each is said in the status,
// no client waits for it, and in the end every number is right.
func TestRemoteWrite(t *testing.T) {
	p := newTaker(t)
	p.start(t) // takes no remote write
	sender := map[string]string{"job": "appliance", "instance": "here", "site": "a b"}
	env := map[string]string{
		"APPLIANCE_METRICS_REMOTE_WRITE_URL": "https://" + p.address + "/api/v1/write", "APPLIANCE_METRICS_REMOTE_WRITE_INTERVAL": "1s",
		"APPLIANCE_METRICS_REMOTE_WRITE_LABELS": "instance=here,site=a b", "APPLIANCE_METRICS_REMOTE_WRITE_TLS_CA_FILE": p.caFile,
	}
	a := harness.Start(t, harness.Options{Env: env})
	f := newTraffic()
	says := func(what string) {
		t.Helper()
		harness.Eventually(t, patience, "status says "+what, func() error {
			text := remoteWriteStatus(t, a)
			if !strings.Contains(text, what) {
				return errors.New(text)
			}
			return nil
		})
	}
	f.send(t, a, 20)
	says("check metrics.remote_write.bearer_token_file or basic_auth_file")
	a.Stop(t)
	env["APPLIANCE_METRICS_REMOTE_WRITE_BASIC_AUTH_FILE"] = p.userFile
	a = harness.Start(t, harness.Options{Env: env, DataDir: a.DataDir})
	says("--web.enable-remote-write-receiver")

	p.Stop(t)
	says("connection refused")
	flags := []string{"--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage"}
	p.start(t, flags...)
	p.arrive(t, a, sender, "all series")

	p.Kill(t)
	f.send(t, a, 100) // is answered 200
	says("connection refused")
	f.send(t, a, 100)
	p.start(t, flags...)
	p.arrive(t, a, sender, "all series after an outage")
	if err := f.check(t, a); err != nil {
		t.Errorf("at the end: %v", err)
	}

	// What was counted last arrives, though the interval is long. Without labels
	// the data directory has a name.
	a.Stop(t)
	delete(env, "APPLIANCE_METRICS_REMOTE_WRITE_LABELS")
	sender = map[string]string{"job": "appliance", "instance": strings.TrimSpace(read(t, filepath.Join(a.DataDir, "instance-id")))}
	env["APPLIANCE_METRICS_REMOTE_WRITE_INTERVAL"] = "4m"
	a = harness.Start(t, harness.Options{Env: env, DataDir: a.DataDir})
	says(`"last_success"`)
	f.send(t, a, 10)
	last := scraped(t, a, sender)
	a.Stop(t)
	got, err := p.series(`{__name__=~"traces_.+"}`)
	if err != nil {
		t.Fatal(err)
	}
	for labels, value := range last {
		if got[labels] != value {
			t.Errorf("after the end %s is %v, and was %v", labels, got[labels], value)
		}
	}

	now := time.Now()
	text, err := p.get("/api/v1/query_exemplars", url.Values{
		"query": {"traces_spanmetrics_latency_bucket"}, "start": {fmt.Sprint(now.Add(-time.Hour).Unix())}, "end": {fmt.Sprint(now.Unix() + 1)},
	})
	if err != nil || !regexp.MustCompile(`"trace_id":"[0-9a-f]{32}"`).Match(text) {
		t.Errorf("exemplars: %v, %.300s", err, text)
	}
}

// remoteWriteStatus is the part of the status.
func remoteWriteStatus(t *testing.T, a *harness.Appliance) string {
	t.Helper()
	resp, err := http.Get("http://" + a.Read + "/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var s struct {
		RemoteWrite json.RawMessage `json:"remote_write"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return string(s.RemoteWrite)
}

// selfSigned is a certificate for 127.0.0.1 that has signed itself.
func selfSigned(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return string(text), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})), pool
}
