package receiver

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var discardLog = slog.New(slog.DiscardHandler)

func TestBearerTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	writeFile(t, file, []byte("# two teams\nalpha\n\n  beta  \r\n"))
	r := start(t, Config{Auth: Auth{BearerTokenFile: file}})
	body := protobufOf(t, 1)
	with := func(authorization string, want, kept int) {
		t.Helper()
		x := exchange{body: body, want: want, kept: kept}
		if authorization != "" {
			x.header = map[string]string{"Authorization": authorization}
		}
		if want == 401 {
			x.check = hasHeader("Www-Authenticate", "Bearer")
		}
		x.run(t, r)
	}
	with("Bearer alpha", 200, 1)
	with("bearer beta", 200, 1)
	for _, bad := range []string{"", "Bearer", "Bearer ", "Bearer gamma", "Bearer alphabeta", "Bearer # two teams", "Basic alpha", "alpha"} {
		with(bad, 401, 0)
	}
	writeFile(t, file, []byte("gamma\n"))
	with("Bearer gamma", 200, 1)
	with("Bearer alpha", 401, 0)

	writeFile(t, file, []byte("\xef\xbb\xbfdelta\r\n")) // as editors on Windows write it
	with("Bearer delta", 200, 1)
	writeFile(t, file, []byte("gamma\n"))
	with("Bearer gamma", 200, 1)

	writeFile(t, file, []byte("\n"))
	with("Bearer gamma", 200, 1) // a file without a token is a mistake, not an order
	if n := r.Stats().ReloadErrors; n != 1 {
		t.Errorf("counted %d reload errors, want 1", n)
	}
	if !strings.Contains(r.logs.String(), "keeping what was last read") {
		t.Errorf("nothing in the log: %s", r.logs)
	}
}

func TestTenants(t *testing.T) {
	r := start(t, Config{Tenants: []string{"shop", "bank"}})
	body := protobufOf(t, 1)
	for _, tt := range []struct {
		tenant string
		want   int
	}{
		{"shop", 200}, {"bank", 200}, {"", 403}, {"other", 403}, {"Shop", 403},
		{"..", 400}, {"shop/../bank", 400}, {strings.Repeat("a", 151), 400},
	} {
		x := exchange{body: body, want: tt.want}
		if tt.want == 200 {
			x.kept = 1
		}
		if tt.tenant != "" {
			x.header = map[string]string{"X-Scope-OrgID": tt.tenant}
		}
		x.run(t, r)
	}
	var tenants []string
	for _, b := range r.sink.kept() {
		tenants = append(tenants, b.Tenant)
	}
	if got := fmt.Sprint(tenants); got != "[shop bank]" {
		t.Errorf("batches are of the tenants %s", got)
	}
	if err := checkTenant("a\x07b"); err == nil {
		t.Error("a tenant with a control character passes")
	}
}

func TestSingleTenant(t *testing.T) {
	r := start(t, Config{})
	exchange{body: protobufOf(t, 1), want: 200, kept: 1, header: map[string]string{"X-Scope-OrgID": "shop"}}.run(t, r)
	if got := r.sink.kept()[0].Tenant; got != "single-tenant" {
		t.Errorf("tenant %q", got)
	}
}

func TestClientOverItsQuota(t *testing.T) {
	r := start(t, Config{ClientRequestsPerSecond: 0.001, clientBurst: 2})
	body := protobufOf(t, 1)
	exchange{body: body, want: 200, kept: 1}.run(t, r)
	exchange{body: body, want: 200, kept: 1}.run(t, r)
	exchange{body: body, want: 429, check: hasHeader("Retry-After", "1000")}.run(t, r)
}

func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := newQuota(2, 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 { // two seconds' worth
			if wait := q.take("192.0.2.1:1000"); wait != 0 {
				t.Fatalf("within the burst told to wait %v", wait)
			}
		}
		if wait := q.take("192.0.2.1:2000"); wait != 500*time.Millisecond {
			t.Errorf("over the quota told to wait %v", wait)
		}
		if wait := q.take("192.0.2.2:1000"); wait != 0 {
			t.Errorf("another client told to wait %v", wait)
		}
		<-time.After(500 * time.Millisecond) // by the clock of the bubble
		if wait := q.take("192.0.2.1:1000"); wait != 0 {
			t.Errorf("after its time told to wait %v", wait)
		}
	})
}

func TestClientsAreRememberedUpToABound(t *testing.T) {
	q, err := newQuota(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * rememberedClients {
		q.take(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	if n := q.clients.Len(); n != rememberedClients {
		t.Errorf("%d clients are remembered", n)
	}
}

func TestClientOf(t *testing.T) {
	for _, tt := range []struct{ a, b string }{
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:2"},
		{"[2001:db8::1]:1", "[2001:db8::ffff:1]:2"},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1"},
	} {
		if clientOf(tt.a) != clientOf(tt.b) {
			t.Errorf("%s and %s are two clients", tt.a, tt.b)
		}
	}
	if clientOf("[2001:db8:0:1::1]:1") == clientOf("[2001:db8:0:2::1]:1") {
		t.Error("two IPv6 networks are one client")
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{MaxBodyBytes: -1}, "max_body_bytes"},
		{Config{InflightBytes: 1 << 20}, "inflight_bytes: 1048576 bytes are less"},
		{Config{ClientRequestsPerSecond: -1}, "client_requests_per_second"},
		{Config{Tenants: []string{"a/b"}}, "letters, digits"},
		{Config{Tenants: []string{"shop", "my team"}}, "letters, digits"},
		{Config{Tenants: []string{"käse"}}, "letters, digits"},
		{Config{Tenants: []string{".."}}, "is a path"},
		{Config{Auth: Auth{BearerTokenFile: "nowhere"}}, "nowhere"},
	} {
		_, err := New(usual(tt.cfg), &everyNth{n: 1}, &memorySink{}, discardLog)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q in it", err, tt.want)
		}
	}
}

func TestLogsAreEscapedAndLimited(t *testing.T) {
	r := start(t, Config{})
	evil := "/v1/\x1b[31mred\r\nlevel=ERROR msg=forged\u202e"
	for range 100 {
		x := exchange{path: "/" + strings.Repeat("x", 1000), want: 404}
		x.run(t, r)
	}
	exchange{method: "GET", want: 405}.run(t, r)
	logs := r.logs.String()
	if !strings.Contains(logs, "status=405") {
		t.Errorf("many refusals of one kind hide another: %s", logs)
	}
	logs, _, _ = strings.Cut(logs, "status=405")
	if n := strings.Count(logs, "status=404"); n != 5 {
		t.Errorf("%d lines for 100 refusals of a kind", n)
	}
	if len(logs) > 5000 {
		t.Errorf("%d bytes of log for 5 lines", len(logs))
	}
	if got := printable(evil); got != `/v1/\x1b[31mred\r\nlevel=ERROR msg=forged\u202e` {
		t.Errorf("%q is printed as %s", evil, got)
	}
	if got := printable("grün \xff"); got != `grün \xff` {
		t.Errorf("printed as %s", got)
	}
}

func TestFilesOfWindows(t *testing.T) {
	ca, files := newAuthority(t), tlsFiles(t)
	ca.issue(t, files)
	for _, path := range []string{files.CertFile, files.KeyFile} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...))
	}
	r := start(t, Config{TLS: files})
	if code, _, err := r.over(t, &tls.Config{RootCAs: ca.pool()}); err != nil || code != 200 {
		t.Errorf("answered %d, %v", code, err)
	}
	tokens := filepath.Join(t.TempDir(), "tokens")
	writeFile(t, tokens, []byte("\xff\xfet\x00\n\x00"))
	_, err := New(usual(Config{Auth: Auth{BearerTokenFile: tokens}}), &everyNth{n: 1}, &memorySink{}, discardLog)
	if err == nil || !strings.Contains(err.Error(), "tokens: it begins with the byte order mark of UTF-16") {
		t.Error(err)
	}
}
