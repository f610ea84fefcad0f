package nomad

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/harness"
)

const (
	writeHost = "tempo-write.service.local"
	readHost  = "tempo-read.service.local"
)

func image(t *testing.T) string {
	t.Helper()
	name := os.Getenv("APPLIANCE_IMAGE")
	if name == "" {
		t.Fatal("APPLIANCE_IMAGE is not set; run: make e2e-nomad")
	}
	return name
}

// TestOrigin is the tutorial's scenario with the docker image: one command
// registers it, Traefik finds both routes in Nomad's catalog and sends its own
// traces through one of them, and they are read through the other. Then the
// allocation is stopped and placed anew, and the task is killed while clients
// send.
func TestOrigin(t *testing.T) {
	name := image(t)
	a := startAgent(t, agentOptions{})
	harness.Eventually(t, time.Minute, "the docker driver", func() error {
		var nodes []struct {
			Drivers map[string]struct{ Healthy bool }
		}
		if err := a.call(http.MethodGet, "/v1/nodes", nil, &nodes); err != nil {
			return err
		}
		if !nodes[0].Drivers["docker"].Healthy {
			return fmt.Errorf("%+v", nodes)
		}
		return nil
	})
	web := startTraefik(t, a)
	spec := []string{"register", "--image", name, "--write-port", freePort(t), "--read-port", freePort(t), "--grpc-port", freePort(t)}
	a.appliance(t, spec...).mustExit(t, 0).mustSay(t, "volume tempo-data created", "job tempo is healthy")
	a.end(t, "tempo")

	for service, tags := range map[string][]string{
		"tempo-write": {"traefik.enable=true", "traefik.http.routers.tempo-write.rule=Host(`" + writeHost + "`)", "traefik.http.routers.tempo-write.service=tempo-write",
			"traefik.http.routers.tempo-write.tls=false", "traefik.http.routers.tempo-write.observability.tracing=false"},
		"tempo-read": {"traefik.enable=true", "traefik.http.routers.tempo-read.rule=Host(`" + readHost + "`)", "traefik.http.routers.tempo-read.service=tempo-read"},
		"tempo-write-grpc": {"traefik.enable=true", "traefik.http.services.tempo-write-grpc.loadbalancer.server.scheme=h2c",
			"traefik.http.routers.tempo-write-grpc.observability.tracing=false"},
		"tempo": {"traefik.enable=false"},
	} {
		found := a.mustService(t, service, 1)[0]
		for _, tag := range tags {
			if !slices.Contains(found.Tags, tag) {
				t.Errorf("service %s has no tag %s: %q", service, tag, found.Tags)
			}
		}
		for _, tag := range found.Tags {
			if strings.Contains(tag, "${") {
				t.Errorf("service %s has a tag that was not interpolated: %s", service, tag)
			}
		}
	}

	// Traefik's own traces, of requests for another host.
	upstream := newUpstream(t)
	serviceOf(t, a, "shop", upstream.port)
	ids := make([]string, 10)
	for i := range ids {
		ids[i] = upstream.traceThrough(t, web, fmt.Sprintf("/order/%d", i))
	}
	ids = append(ids, exportGRPCThrough(t, web)...)
	mustFindThrough(t, web, ids)
	if found := searchThrough(t, web, `{ resource.service.name = "traefik" && span.http.request.method = "POST" }`); found != 0 {
		t.Errorf("%d traces are of the delivery of traces", found)
	}

	// Stopped and placed anew: the data is on the volume.
	before := a.allocations(t, "tempo")[0].ID
	a.must(t, http.MethodPost, "/v1/allocation/"+before+"/stop", nil, nil)
	harness.Eventually(t, 2*time.Minute, "another allocation serves", func() error {
		found, err := a.service("tempo-read")
		if err != nil || len(found) != 1 || found[0].AllocID == before {
			return fmt.Errorf("%+v, %v", found, err)
		}
		return a.serving(t).Ready()
	})
	mustFindThrough(t, web, ids)

	// kill -9 while clients send: each request that was answered 200 is there, spans included.
	client := &sender{url: "http://" + web + "/v1/traces", host: writeHost, kept: map[string]int{}}
	stop := client.start(t, 4)
	for range 3 {
		kept := client.count()
		harness.Eventually(t, time.Minute, "requests are answered 200", func() error {
			if n := client.count() - kept; n < 50 {
				return fmt.Errorf("%d more", n)
			}
			return nil
		})
		killTask(t, a)
	}
	kept := client.count()
	harness.Eventually(t, time.Minute, "requests are answered 200 again", func() error {
		if client.count() == kept {
			return fmt.Errorf("none since the last kill")
		}
		return nil
	})
	stop()
	t.Logf("%d requests acknowledged over 3 kills, %d others to be sent again", client.count(), client.refused)
	mustHave(t, a.serving(t), client.kept)
	mustFindThrough(t, web, ids)
}

// mustHave waits until each trace is found with as many different spans as were
// sent. After a kill a span may stand there twice: what was not proven is sent
// again.
func mustHave(t *testing.T, app *harness.Appliance, spans map[string]int) {
	t.Helper()
	missing := maps.Clone(spans)
	harness.Eventually(t, 2*time.Minute, "everything that was acknowledged is found", func() error {
		var last error
		for id, want := range missing {
			trace, err := app.Trace(t.Context(), id)
			if err != nil {
				last = fmt.Errorf("trace %s: %w", id, err)
				continue
			}
			different := map[string]bool{}
			for _, r := range trace.ResourceSpans {
				for _, s := range r.ScopeSpans {
					for _, span := range s.Spans {
						different[string(span.SpanId)] = true
					}
				}
			}
			if len(different) != want {
				last = fmt.Errorf("trace %s has %d of %d spans", id, len(different), want)
				continue
			}
			delete(missing, id)
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d of %d traces missing, such as: %w", len(missing), len(spans), last)
		}
		return nil
	})
}

// exportGRPCThrough sends traces over OTLP/gRPC by way of Traefik, which speaks
// it without TLS as well.
func exportGRPCThrough(t *testing.T, web string) []string {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+web, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(writeHost))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request, ids := harness.NewRequest("grpc-through-traefik", 3, 2)
	harness.Eventually(t, time.Minute, "OTLP/gRPC is taken through traefik", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		answer, err := collector.NewTraceServiceClient(conn).Export(ctx, request)
		if err == nil && answer.GetPartialSuccess().GetRejectedSpans() != 0 {
			err = fmt.Errorf("%v", answer)
		}
		return err
	})
	return ids
}

// startTraefik starts Traefik with its Nomad provider and the tracing flags of
// the tutorial, and returns its address. The host name of the tutorial leads to
// Traefik itself, for this process alone.
func startTraefik(t *testing.T, a *agent) string {
	t.Helper()
	web := harness.FreePort(t)
	_, port, _ := net.SplitHostPort(web)
	hosts := a.write(t, "hosts", "127.0.0.1 localhost "+writeHost+"\n")
	harness.StartProcess(t, "traefik", exec.Command("unshare", "--mount", "/bin/sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts, harness.Peer(t, "traefik"),
		"--entrypoints.web.address="+web,
		"--providers.nomad.endpoint.address="+a.url,
		"--providers.nomad.refreshinterval=1s",
		"--providers.nomad.exposedbydefault=false",
		"--global.checknewversion=false",
		"--global.sendanonymoususage=false",
		"--tracing=true",
		"--tracing.otlp=true",
		"--tracing.otlp.http=true",
		"--tracing.otlp.http.endpoint=http://"+writeHost+":"+port+"/v1/traces",
	))
	harness.Eventually(t, 30*time.Second, "traefik listens", func() error {
		if !harness.Listens(web) {
			return fmt.Errorf("not at %s", web)
		}
		return nil
	})
	return web
}

// serviceOf registers a job whose only purpose is a service of the given name
// at a port of this machine.
func serviceOf(t *testing.T, a *agent, name, port string) {
	t.Helper()
	file := a.write(t, name+".nomad.hcl", fmt.Sprintf(`
job %[1]q {
  group "g" {
    network {
      port "http" {}
    }
    service {
      name     = %[1]q
      provider = "nomad"
      port     = %[2]q
      address  = "127.0.0.1"
      tags     = ["traefik.enable=true", "traefik.http.routers.%[1]s.rule=Host(`+"`%[1]s.service.local`"+`)"]
    }
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["10000"]
      }
    }
  }
}
`, name, port))
	a.run(t, harness.Peer(t, "nomad"), "job", "run", "-detach", file).mustExit(t, 0)
	a.end(t, name)
	a.mustService(t, name, 1)
}

// upstream is a service behind Traefik that notes which trace each request belongs to.
type upstream struct {
	port string

	mu     sync.Mutex
	traces map[string]string // path to trace id
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{traces: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if parts := strings.Split(r.Header.Get("traceparent"), "-"); len(parts) == 4 {
			u.mu.Lock()
			u.traces[r.URL.Path] = parts[1]
			u.mu.Unlock()
		}
	}))
	t.Cleanup(server.Close)
	_, u.port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return u
}

func (u *upstream) traceThrough(t *testing.T, web, path string) string {
	t.Helper()
	var id string
	harness.Eventually(t, time.Minute, "the shop is reached through traefik", func() error {
		if _, err := through(t.Context(), web, "shop.service.local", path); err != nil {
			return err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		if id = u.traces[path]; len(id) != 32 {
			return fmt.Errorf("passed on without a trace")
		}
		return nil
	})
	return id
}

// through makes a request to a host name by way of Traefik.
func through(ctx context.Context, web, host, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+web+path, nil)
	if err != nil {
		return nil, err
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s%s: %s: %.200s", host, path, resp.Status, body)
	}
	return body, err
}

func mustFindThrough(t *testing.T, web string, ids []string) {
	t.Helper()
	harness.Eventually(t, time.Minute, "traces found through "+readHost, func() error {
		for _, id := range ids {
			if _, err := through(t.Context(), web, readHost, "/api/traces/"+id); err != nil {
				return err
			}
		}
		return nil
	})
}

func searchThrough(t *testing.T, web, query string) int {
	t.Helper()
	body, err := through(t.Context(), web, readHost, "/api/search?q="+strings.NewReplacer(" ", "%20", `"`, "%22", "&", "%26", "{", "%7B", "}", "%7D").Replace(query))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(body, []byte(`"traceID"`))
}

// killTask ends the appliance's process as the kernel's OOM killer would, and
// waits until Nomad has started it again.
func killTask(t *testing.T, a *agent) {
	t.Helper()
	id := a.allocations(t, "tempo")[0]
	restarts := id.TaskStates["appliance"].Restarts
	container := dockerOutput(t, "ps", "--quiet", "--filter", "name=appliance-"+id.ID)
	dockerOutput(t, "kill", "--signal", "KILL", strings.TrimSpace(container))
	harness.Eventually(t, 2*time.Minute, "Nomad starts the task again", func() error {
		all := a.allocations(t, "tempo")
		if len(all) == 0 {
			return errors.New("there is no allocation")
		}
		now := all[0] // another one, after several failures
		task := now.TaskStates["appliance"]
		if task.State != "running" || now.ID == id.ID && task.Restarts <= restarts {
			return fmt.Errorf("allocation %s: %+v", now.ID, task)
		}
		return nil
	})
}

func dockerOutput(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// sender sends traces of two spans and sends each again until it is answered
// 200, as OTLP clients do. Only what was answered 200 counts as kept.
type sender struct {
	url, host string

	mu      sync.Mutex
	kept    map[string]int
	refused int
}

func (s *sender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

func (s *sender) start(t *testing.T, clients int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				request, ids := harness.NewRequest("killed", 1, 2)
				for ctx.Err() == nil && !s.send(ctx, request, ids[0]) {
					select {
					case <-ctx.Done():
					case <-time.After(50 * time.Millisecond):
					}
				}
			}
		})
	}
	stop = func() { cancel(); all.Wait() }
	t.Cleanup(stop)
	return stop
}

func (s *sender) send(ctx context.Context, request *collector.ExportTraceServiceRequest, id string) bool {
	body, err := proto.Marshal(request)
	if err != nil {
		panic(err) // a message that this test made
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Host = s.host
	req.Header.Set("Content-Type", harness.Protobuf)
	resp, err := http.DefaultClient.Do(req)
	ok := err == nil && resp.StatusCode == http.StatusOK
	if err == nil {
		resp.Body.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok {
		s.kept[id] = 2
	} else {
		s.refused++
	}
	return ok
}
