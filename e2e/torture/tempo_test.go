package torture

import (
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

//go:embed testdata/tempo.yaml
var tempoConfig string

// tempo is a Tempo elsewhere: a process of its own, whose files outlive it.
type tempo struct {
	*harness.Process
	dir        string
	otlp, http string // host:port
	config     string
}

func newTempo(t testing.TB) *tempo {
	t.Helper()
	m := &tempo{dir: t.TempDir(), otlp: harness.FreePort(t), http: harness.FreePort(t)}
	values := map[string]string{"HTTP": port(m.http), "GRPC": port(harness.FreePort(t)), "OTLP": port(m.otlp), "DIR": m.dir}
	config := os.Expand(tempoConfig, func(name string) string { return values[name] })
	m.config = filepath.Join(m.dir, "tempo.yaml")
	if err := os.WriteFile(m.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	return m
}

// start starts it, again after it ended, and waits until it is ready.
func (m *tempo) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(harness.Bin(t), "tempo", m.config)
	lifeline, err := cmd.StdinPipe() // it ends when this does
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lifeline.Close() })
	m.Process = harness.StartProcess(t, "tempo", cmd)
	harness.Eventually(t, time.Minute, "tempo ready", func() error {
		resp, err := http.Get("http://" + m.http + "/ready")
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

func port(hostPort string) string {
	_, p, _ := net.SplitHostPort(hostPort)
	return p
}

// blocks is the directory of its storage.
func (m *tempo) blocks() string { return filepath.Join(m.dir, "blocks") }
