package harness

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readyPatience is for a machine that does other things as well; how fast it
// ought to be is measured by the cold start test.
const readyPatience = 60 * time.Second

// Options say how an appliance differs from one with its defaults and ports of its own.
type Options struct {
	DataDir string            // empty: a new directory
	Env     map[string]string // added to, and stronger than, what the harness sets
	Args    []string          // after "serve"
	Cgroup  *Cgroup           // to run in
	Under   []string          // a command that runs the appliance as itself, such as strace -D
}

// Appliance is a running `appliance serve`.
type Appliance struct {
	*Process
	DataDir string
	Intake  string // host:port of OTLP/HTTP
	GRPC    string // host:port of OTLP/gRPC
	Read    string // host:port of the read API
}

// Start starts an appliance and waits until it is ready.
func Start(t testing.TB, o Options) *Appliance {
	t.Helper()
	a := Launch(t, o)
	a.WaitReady(t)
	return a
}

// QuickBlocks lets spans be in a block, that block merged, and that archived
// within seconds rather than minutes. maps.Copy adds to it.
func QuickBlocks() map[string]string {
	return map[string]string{"APPLIANCE_BLOCKS_MAX_WAIT": "1s", "APPLIANCE_BLOCKS_MERGE_AFTER": "2s", "APPLIANCE_ARCHIVE_DELAY": "0s"}
}

// BlocksDir is where an appliance that stores spans itself has its blocks.
func BlocksDir(dataDir string) string { return filepath.Join(dataDir, "blocks") }

// Launch starts an appliance and does not wait for anything.
func Launch(t testing.TB, o Options) *Appliance {
	t.Helper()
	a := &Appliance{DataDir: o.DataDir, Intake: FreePort(t), GRPC: FreePort(t), Read: FreePort(t)}
	if a.DataDir == "" {
		a.DataDir = t.TempDir()
		// runs after everything that was started with the directory is stopped
		t.Cleanup(func() { EndOrphans(t, a.DataDir) })
	}
	env := map[string]string{
		"APPLIANCE_DATA_DIR":             a.DataDir,
		"APPLIANCE_RECEIVER_LISTEN":      a.Intake,
		"APPLIANCE_RECEIVER_GRPC_LISTEN": a.GRPC,
		"APPLIANCE_HTTP_LISTEN":          a.Read,
		"APPLIANCE_LOG_FORMAT":           "json",
	}
	maps.Copy(env, o.Env)

	command := slices.Concat(o.Under, []string{Bin(t), "serve"}, o.Args)
	if o.Cgroup != nil {
		command = o.Cgroup.run(command)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = cleanEnv()
	for _, k := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, k+"="+env[k])
	}
	a.Process = StartProcess(t, "appliance", cmd)
	return a
}

// cleanEnv is the environment without what would configure an appliance or an
// SDK behind a test's back.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "APPLIANCE_") || strings.HasPrefix(kv, "OTEL_") || strings.HasPrefix(kv, "JAEGER_") ||
			strings.HasPrefix(kv, "GOMEMLIMIT=") || strings.HasPrefix(kv, "AWS_")
	})
}

// EndOrphans fails the test when something still works on a data directory, and ends it.
func EndOrphans(t testing.TB, dataDir string) {
	t.Helper()
	for _, k := range Mentioning(t, dataDir) {
		t.Errorf("%s is left over", k)
		if err := syscall.Kill(k.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("kill %s: %v", k, err)
		}
	}
}

// WaitReady waits until /ready says that a trace can be written and read.
func (a *Appliance) WaitReady(t testing.TB) {
	t.Helper()
	Eventually(t, readyPatience, "appliance ready", func() error {
		if !a.Alive() {
			t.Fatalf("appliance ended with %s before it was ready", a.cmd.ProcessState)
		}
		return a.Ready()
	})
}

// Ready is nil when /ready answers 200.
func (a *Appliance) Ready() error {
	resp, err := client.Get("http://" + a.Read + "/ready")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/ready answers %s: %s", resp.Status, body)
	}
	return nil
}

// IntakeURL is where OTLP/HTTP clients send to.
func (a *Appliance) IntakeURL() string { return "http://" + a.Intake + "/v1/traces" }
