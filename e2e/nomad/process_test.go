package nomad

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"

	"appliance/e2e/internal/harness"
)

func makeExecutable(t *testing.T, path string) {
	t.Helper()
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// freeze stops a process where it is, until thaw.
func freeze(t *testing.T, p *harness.Process) {
	t.Helper()
	p.Signal(t, syscall.SIGSTOP)
	t.Cleanup(func() { p.Signal(t, syscall.SIGCONT) })
}

func thaw(t *testing.T, p *harness.Process) { t.Helper(); p.Signal(t, syscall.SIGCONT) }

// read is the plain text at a path of the API.
func (a *agent) read(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Nomad-Token", a.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return string(body), err
}
