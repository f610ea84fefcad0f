package nomad

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// rawExec are the flags for the binary under test as a raw_exec task on free
// ports, with data in a directory of its own.
func rawExec(t *testing.T, data string) []string {
	t.Helper()
	return []string{"--driver", "raw_exec", "--command", harness.Bin(t), "--data", data,
		"--write-port", freePort(t), "--read-port", freePort(t), "--grpc-port", freePort(t), "--memory-max", "0", "--healthy-deadline", "40s"}
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, _ := strings.Cut(harness.FreePort(t), ":")
	return port
}

// TestRegister walks through the life of a job: made, made again, changed,
// changed by somebody else, broken, removed.
func TestRegister(t *testing.T) {
	a := startAgent(t, agentOptions{})
	data := filepath.Join(a.dir, "data")
	spec := rawExec(t, data)
	register := func(more ...string) result {
		return a.appliance(t, append(append([]string{"register"}, spec...), more...)...)
	}
	plan := func(more ...string) result {
		return a.appliance(t, append(append([]string{"plan"}, spec...), more...)...)
	}

	plan().mustExit(t, 1).mustSay(t, `+   job "tempo"`, "(1 to place)", "register ... --check-index 0")
	began := time.Now()
	register("--check-index", "0").mustExit(t, 0).mustSay(t, "1 healthy", "job tempo is healthy")
	t.Logf("registered and healthy after %s", time.Since(began).Round(time.Millisecond))
	a.end(t, "tempo")

	// Sent and kept.
	app := a.serving(t)
	request, ids := harness.NewRequest("registered", 3, 2)
	if answer, err := app.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	sent := map[string]int{}
	for _, id := range ids {
		sent[id] = 2
	}
	app.MustFind(t, sent)

	// Again: nothing to do, and nothing done.
	index := jobIndex(t, a)
	register().mustExit(t, 0).mustSay(t, "registered like this already; nothing to do")
	plan().mustExit(t, 0).mustSay(t, "no change")
	// what the job without a region has been given
	plan("--region", "global").mustExit(t, 0).mustSay(t, "no change")
	if now := jobIndex(t, a); now != index {
		t.Errorf("registering an equal job changed its index from %d to %d", index, now)
	}

	// One resource changed: just that is shown.
	changed := plan("--cpu", "250").mustExit(t, 1)
	diff, _, _ := strings.Cut(changed.stdout, "\nTo register")
	const want = `+/- job "tempo"
+/-   group "appliance" (1 to replace)
+/-     task "appliance" (forces create/destroy update)
+/-       Resources
+/-         CPU: "200" => "250"
`
	if diff != want {
		t.Errorf("plan shows:\n%s\nwant:\n%s", diff, want)
	}

	// Somebody else changes the job between our plan and our registration.
	a.scale(t, 0)
	now := jobIndex(t, a)
	register("--cpu", "250", "--check-index", strconv.Itoa(index)).mustExit(t, 1).
		mustSay(t, "was changed by somebody else: it is at index "+strconv.Itoa(now)+", and was looked at at "+strconv.Itoa(index), "nothing was changed by us")
	register("--cpu", "250", "--address", meddler(t, a)).mustExit(t, 1).mustSay(t, "was changed by somebody else")
	plan("--cpu", "250").mustExit(t, 1).mustSay(t, `CPU: "200" => "250"`) // ours was not taken
	now = jobIndex(t, a)

	// It cannot be placed: nothing is registered.
	register("--cpu", "10000000").mustExit(t, 1).mustSay(t, "cannot be placed", "not enough CPU is left")
	register("--constraint", "node.class = storage").mustExit(t, 1).mustSay(t, "cannot be placed", "1 node: does not meet the")
	register("--datacenters", "services").mustExit(t, 1).mustSay(t, "cannot be placed", "no node was eligible", "--datacenters")
	if jobIndex(t, a) != now {
		t.Error("a registration that cannot be placed changed the job")
	}

	// Back to health, with the data of before.
	register("--cpu", "210").mustExit(t, 0).mustSay(t, "job tempo is healthy")
	a.serving(t).MustFind(t, sent)
	a.appliance(t, "status").mustExit(t, 0).mustSay(t, "running", "tempo-write", "stored by the appliance", "success")
	a.appliance(t, "status", "-o", "json").mustExit(t, 0).mustSay(t, `"tempo": "embedded"`)

	// It never gets healthy: the reason is said, and the version before is brought back.
	register("--env", "APPLIANCE_CONFIG=/nowhere.yaml", "--healthy-deadline", "15s").mustExit(t, 1).
		mustSay(t, "the deployment failed", "the earlier version was brought back", "/nowhere.yaml: no such file", "Exit Code: 2")
	harness.Eventually(t, time.Minute, "the earlier version serves", func() error { return a.serving(t).Ready() })
	a.serving(t).MustFind(t, sent)

	// Removed: not without a question, and never the data.
	a.appliance(t, "deregister").mustExit(t, 2).mustSay(t, "--yes")
	a.appliance(t, "deregister", "--yes").mustExit(t, 0)
	a.mustService(t, "tempo-write", 0)
	if _, err := os.Stat(filepath.Join(data, "spool")); err != nil {
		t.Errorf("deregister took the data: %v", err)
	}
	register().mustExit(t, 0)
	a.serving(t).MustFind(t, sent)
}

// TestForeignJob holds that the job of the tutorial's reader is left alone
// until we are asked to take it over.
func TestForeignJob(t *testing.T) {
	a := startAgent(t, agentOptions{})
	theirs := a.write(t, "theirs.nomad.hcl", `
job "tempo" {
  group "tempo" {
    task "tempo" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["10000"]
      }
    }
  }
}
`)
	a.run(t, harness.Peer(t, "nomad"), "job", "run", "-detach", theirs).mustExit(t, 0)
	a.end(t, "tempo")
	index := jobIndex(t, a)
	spec := rawExec(t, filepath.Join(a.dir, "data"))
	a.appliance(t, append([]string{"register"}, spec...)...).mustExit(t, 1).
		mustSay(t, "was not made by the appliance", "--adopt", `-     group "tempo"`, `+     group "appliance"`)
	a.appliance(t, append([]string{"plan"}, spec...)...).mustExit(t, 1).mustSay(t, "register needs --adopt")
	a.appliance(t, "deregister", "--yes").mustExit(t, 1).mustSay(t, "was not made by the appliance")
	if jobIndex(t, a) != index {
		t.Fatal("a job that is not ours was changed")
	}
	a.appliance(t, append([]string{"register", "--adopt"}, spec...)...).mustExit(t, 0).mustSay(t, "job tempo is healthy")
	a.serving(t)
	// At once after the deployment: that is when Nomad was seen to let the allocation run on.
	a.appliance(t, "deregister", "--yes").mustExit(t, 0)
	a.mustService(t, "tempo-write", 0)
}

func jobIndex(t *testing.T, a *agent) int {
	t.Helper()
	var job struct{ JobModifyIndex int }
	a.must(t, http.MethodGet, "/v1/job/tempo", nil, &job)
	return job.JobModifyIndex
}

// scale is what somebody else does to the job.
func (a *agent) scale(t *testing.T, count int) {
	t.Helper()
	change := map[string]any{"Count": count, "Target": map[string]string{"Group": "appliance"}, "Message": "somebody else"}
	if err := a.call(http.MethodPost, "/v1/job/tempo/scale", change, nil); err != nil {
		t.Errorf("change the job: %v", err)
	}
}

// meddler passes requests on to Nomad, and changes the job right before a
// registration arrives: what lies between our plan and our registration is no
// time in which nothing happens.
func meddler(t *testing.T, a *agent) string {
	t.Helper()
	to, err := url.Parse(a.url)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(to)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/v1/jobs" {
			a.scale(t, 1)
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
