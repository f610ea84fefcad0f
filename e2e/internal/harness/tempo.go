package harness

import (
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed testdata/tempo.yaml
var tempoConfig string

// ReadingTempo is a Tempo that neither compacts nor deletes.
const ReadingTempo = "{disabled: true}"

// CompactingTempo is a Tempo that merges blocks as it does by default.
const CompactingTempo = `{ring: {kvstore: {store: ""}}}`

// Tempo is a stock Tempo, the peer that .ci/peers/build makes.
type Tempo struct {
	*Process
	OTLP   string // host:port
	API    API
	Blocks string // directory of its storage

	config string // file
}

// StartTempo starts a Tempo with a directory as its storage and waits until it
// is ready; compactor is that part of its configuration, in YAML.
func StartTempo(t testing.TB, blocks, compactor string) *Tempo {
	t.Helper()
	dir := t.TempDir()
	m := &Tempo{OTLP: FreePort(t), API: API(FreePort(t)), Blocks: blocks, config: filepath.Join(dir, "tempo.yaml")}
	values := map[string]string{
		"HTTP": portOf(string(m.API)), "GRPC": portOf(FreePort(t)), "OTLP": portOf(m.OTLP), "DIR": dir, "BLOCKS": blocks, "COMPACTOR": compactor,
	}
	m.configure(t, os.Expand(tempoConfig, func(name string) string { return values[name] }))
	m.Start(t)
	return m
}

// StartTutorialTempo starts a Tempo with the configuration of a file that says
// where a container has its files and ports, as the tutorial's does. Only these
// are other ones here. What a Tempo does not start with is left out: a bare
// "ingester:".
func StartTutorialTempo(t testing.TB, file string) *Tempo {
	t.Helper()
	dir := t.TempDir()
	m := &Tempo{OTLP: FreePort(t), API: API(FreePort(t)), Blocks: filepath.Join(dir, "blocks"), config: filepath.Join(dir, "tempo.yaml")}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Its other ports are open to all by default.
	listen := "http_listen_address: 127.0.0.1\n  http_listen_port: " + portOf(string(m.API)) +
		"\n  grpc_listen_address: 127.0.0.1\n  grpc_listen_port: " + portOf(FreePort(t))
	m.configure(t, strings.NewReplacer(
		"\ningester:\n", "\n", "/var/tempo/", dir+"/", "0.0.0.0:4318", m.OTLP, "http_listen_port: 3400", listen,
	).Replace(string(text))+"\nmemberlist: {bind_addr: [127.0.0.1], bind_port: "+portOf(FreePort(t))+"}\n")
	m.Start(t)
	return m
}

func (m *Tempo) configure(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Start starts it again, after it ended, with the files that it had.
func (m *Tempo) Start(t testing.TB) {
	t.Helper()
	p := StartProcess(t, "tempo", exec.Command(Peer(t, "tempo"), "-config.file="+m.config))
	t.Cleanup(func() { p.Kill(t) }) // it may hang after queries when it is asked to stop
	m.Process = p
	Eventually(t, readyPatience, "a Tempo that is ready", func() error {
		resp, err := client.Get("http://" + string(m.API) + "/ready")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/ready answers %s", resp.Status)
		}
		return nil
	})
}

// Env lets an appliance send to this Tempo and read from it. At its end the
// appliance does not wait for what Tempo has acknowledged to settle.
func (m *Tempo) Env() map[string]string {
	return map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": "http://" + m.OTLP, "APPLIANCE_TEMPO_QUERY_URL": "http://" + string(m.API),
		"APPLIANCE_FORWARDER_DRAIN_DEADLINE": "1s",
	}
}

func portOf(hostPort string) string {
	_, port, _ := net.SplitHostPort(hostPort)
	return port
}
