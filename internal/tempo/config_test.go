package tempo

import (
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func generate(t *testing.T, user string) (node, []string) {
	t.Helper()
	text, notes, err := Generate(Settings{Dir: "/d", Retention: 24 * time.Hour, UserFile: "mine.yml", UserFileText: []byte(user)}, Ports{HTTP: 1, GRPC: 2, OTLP: 3})
	if err != nil {
		t.Fatal(err)
	}
	var n node
	if err := yaml.Unmarshal(text, &n); err != nil {
		t.Fatal(err)
	}
	return n, notes
}

func TestBareGroupLeavesTheDefaults(t *testing.T) {
	plain, _ := generate(t, "")
	bare, notes := generate(t, "ingester:\ncompactor:\n  compaction:\n")
	if d := cmp.Diff(plain, bare); d != "" || len(notes) > 0 {
		t.Errorf("%s\n%v", d, notes)
	}
}

func TestBlocklistPollFollowsAShortRetention(t *testing.T) {
	for retention, want := range map[time.Duration]string{24 * time.Hour: "10s", 100 * time.Second: "10s", time.Minute: "6s"} {
		text, _, err := Generate(Settings{Dir: "/d", Retention: retention}, Ports{})
		if err != nil {
			t.Fatal(err)
		}
		var n node
		if err := yaml.Unmarshal(text, &n); err != nil {
			t.Fatal(err)
		}
		if got := lookup(n, "storage", "trace", "blocklist_poll"); got != want {
			t.Errorf("retention %s: blocklist_poll %v, want %s", retention, got, want)
		}
	}
}

func TestPersonsSettingsWinOverTunedOnes(t *testing.T) {
	n, notes := generate(t, "ingester:\n  max_block_duration: 7m\nquery_frontend:\n  search:\n    duration_slo: 5s\n")
	if got := lookup(n, "ingester", "max_block_duration"); got != "7m" {
		t.Errorf("max_block_duration %v", got)
	}
	if got := lookup(n, "ingester", "flush_check_period"); got != "1s" {
		t.Errorf("flush_check_period %v", got)
	}
	if got := lookup(n, "query_frontend", "search", "duration_slo"); got != "5s" {
		t.Errorf("duration_slo %v", got)
	}
	if len(notes) > 0 {
		t.Errorf("notes %q", notes)
	}
}

// No port may be reachable from outside and no file may stand elsewhere, whatever the person's file says.
func TestWhatTheApplianceReliesOnIsForcedAndSaid(t *testing.T) {
	plain, _ := generate(t, "")
	n, notes := generate(t, `
server: {http_listen_address: 0.0.0.0, http_listen_port: 3400, grpc_listen_address: ''}
distributor: {receivers: {otlp: {protocols: {grpc: {endpoint: '0.0.0.0:4317'}}}, jaeger: {protocols: {thrift_http: {}}}}}
storage: {trace: {backend: s3, local: {path: /elsewhere}, wal: {path: /elsewhere}}}
target: querier
internal_server: {enable: true, http_listen_address: 0.0.0.0}
multitenancy_enabled: true
`)
	delete(n["internal_server"].(node), "http_listen_address") // of a server that is off
	if d := cmp.Diff(plain, n); d != "" {
		t.Error(d)
	}
	for _, want := range []string{
		"mine.yml: distributor.receivers is ignored: receiver.listen takes the traces",
		"mine.yml: server.http_listen_address is ignored: the embedded Tempo listens on loopback, on free ports",
		"mine.yml: server.http_listen_port is ignored: the embedded Tempo listens on loopback, on free ports",
		"mine.yml: storage.trace.backend is ignored: the appliance needs local",
		"mine.yml: storage.trace.local.path is ignored: the embedded Tempo's files are below data_dir",
		"mine.yml: target is ignored: the appliance needs all",
		"mine.yml: multitenancy_enabled is ignored: the appliance needs false",
	} {
		if !strings.Contains(strings.Join(notes, "\n"), want) {
			t.Errorf("no note %q in\n%s", want, strings.Join(notes, "\n"))
		}
	}
}
