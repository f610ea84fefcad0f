package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestTraefik sends requests through a real Traefik that has the tracing flags
// of the origin document, and finds the trace of each.
func TestTraefik(t *testing.T) {
	const requests = 25
	a := harness.Start(t, harness.Options{})
	upstream := newTracedUpstream(t)
	web, _ := startTraefik(t, upstream.URL, traefikHTTP(a.IntakeURL())...)

	ids := make([]string, requests)
	for i := range ids {
		ids[i] = upstream.traceOf(t, "http://"+web, fmt.Sprintf("/order/%d", i))
	}

	harness.Eventually(t, harness.FoundPatience, "traces from Traefik found by id", func() error {
		for _, id := range ids {
			n, err := a.SpanCount(t.Context(), id)
			if err != nil {
				return fmt.Errorf("trace %s: %w", id, err)
			}
			if n < 2 { // what comes in, and what goes on to the upstream
				return fmt.Errorf("trace %s has %d spans", id, n)
			}
		}
		return nil
	})
	a.MustSearch(t, `{ resource.service.name = "traefik" }`, ids)
	a.MustSearch(t, `{ resource.service.name = "traefik" && span.http.response.status_code = 200 }`, ids)
}

// traefikHTTP are the flags of the origin document, but for the endpoint.
func traefikHTTP(intake string) []string {
	return []string{"--tracing.otlp=true", "--tracing.otlp.http=true", "--tracing.otlp.http.endpoint=" + intake}
}

// startTraefik returns the address of Traefik's entry point, which routes everything to upstream.
func startTraefik(t *testing.T, upstream string, tracing ...string) (web string, p *harness.Process) {
	t.Helper()
	web = harness.FreePort(t)
	routes := writeFile(t, "routes.yaml", fmt.Sprintf(`
http:
  routers:
    all: {rule: "PathPrefix(`+"`/`"+`)", service: upstream, entryPoints: [web]}
  services:
    upstream: {loadBalancer: {servers: [{url: %q}]}}
`, upstream))
	args := append([]string{
		"--entrypoints.web.address=" + web,
		"--providers.file.filename=" + routes,
		"--global.checknewversion=false",
		"--global.sendanonymoususage=false",
		"--tracing=true",
	}, tracing...)
	p = harness.StartProcess(t, "traefik", exec.Command(harness.Peer(t, "traefik"), args...))
	harness.Eventually(t, 30*time.Second, "traefik routing", func() error {
		resp, err := http.Get("http://" + web + "/warm-up")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answers %s", resp.Status)
		}
		return nil
	})
	return web, p
}

// tracedUpstream is a service behind Traefik that notes which trace each request belongs to.
type tracedUpstream struct {
	*httptest.Server

	mu     sync.Mutex
	traces map[string]string // path to trace id
}

func newTracedUpstream(t *testing.T) *tracedUpstream {
	t.Helper()
	u := &tracedUpstream{traces: map[string]string{}}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// version-traceid-spanid-flags (W3C Trace Context)
		if parts := strings.Split(r.Header.Get("traceparent"), "-"); len(parts) == 4 {
			u.mu.Lock()
			u.traces[r.URL.Path] = parts[1]
			u.mu.Unlock()
		}
		fmt.Fprintln(w, "hello")
	}))
	t.Cleanup(u.Close)
	return u
}

// traceOf makes a request through Traefik and returns its trace's id.
func (u *tracedUpstream) traceOf(t *testing.T, base, path string) string {
	t.Helper()
	resp, err := http.Get(base + path)
	if err != nil {
		t.Fatalf("request through traefik: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("request through traefik: %s", resp.Status)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	id := u.traces[path]
	if len(id) != 32 {
		t.Fatalf("traefik passed %s on without a trace", path)
	}
	return id
}
