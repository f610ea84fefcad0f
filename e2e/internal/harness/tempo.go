package harness

import (
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed testdata/tempo.yaml
var tempoConfig string

// ReadingTempo is a Tempo that neither compacts nor deletes.
const ReadingTempo = "{disabled: true}"

// CompactingTempo is a Tempo that merges blocks as it does by default.
const CompactingTempo = `{ring: {kvstore: {store: ""}}}`

// Tempo is a Tempo that no appliance runs. It is the one that the binary holds, in a process of its own.
type Tempo struct {
	*Process
	OTLP   string // host:port
	API    API
	Blocks string // directory of its storage

	config string // file
}

// StartTempo starts a Tempo with a directory as its storage and waits until it is ready; compactor is that part of its
// configuration, in YAML.
func StartTempo(t testing.TB, blocks, compactor string) *Tempo {
	t.Helper()
	dir := t.TempDir()
	m := &Tempo{OTLP: FreePort(t), API: API(FreePort(t)), Blocks: blocks, config: filepath.Join(dir, "tempo.yaml")}
	values := map[string]string{
		"HTTP": portOf(string(m.API)), "GRPC": portOf(FreePort(t)), "OTLP": portOf(m.OTLP), "DIR": dir, "BLOCKS": blocks, "COMPACTOR": compactor,
	}
	text := os.Expand(tempoConfig, func(name string) string { return values[name] })
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Start(t)
	return m
}

// Start starts it again, after it ended, with the files that it had.
func (m *Tempo) Start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(Bin(t), "tempo", m.config)
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := StartProcess(t, "tempo", cmd)
	t.Cleanup(func() { // Tempo may hang after queries when it is asked to stop; the end of its stdin ends it at once
		lifeline.Close()
		<-p.Ended()
	})
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

func portOf(hostPort string) string {
	_, port, _ := net.SplitHostPort(hostPort)
	return port
}
