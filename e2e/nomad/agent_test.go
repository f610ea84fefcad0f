package nomad

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// agent is a real Nomad, server and client in one.
type agent struct {
	*harness.Process
	url   string
	token string // of its management, with ACLs
	dir   string
	ports [3]string
}

type agentOptions struct{ acl bool }

// startAgent starts a Nomad and waits until it takes jobs. Its directory is
// short, since the task API's socket is below it and the kernel takes 107
// bytes.
func startAgent(t *testing.T, o agentOptions) *agent {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "nmd")
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{dir: dir}
	for i := range a.ports {
		_, a.ports[i], _ = net.SplitHostPort(harness.FreePort(t))
	}
	a.url = "http://127.0.0.1:" + a.ports[0]
	endpoint := ""
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		endpoint = fmt.Sprintf("endpoint = %q", host)
	}
	a.write(t, "agent.hcl", fmt.Sprintf(`
ports {
  http = %s
  rpc  = %s
  serf = %s
}
disable_update_check = true
acl {
  enabled = %t
}
client {
  options = {
    # an AWS_CA_BUNDLE in the environment breaks these
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }
}
plugin "raw_exec" {
  config {
    enabled = true
  }
}
plugin "docker" {
  config {
    %s
    gc {
      image = false
    }
  }
}
`, a.ports[0], a.ports[1], a.ports[2], o.acl, endpoint))
	t.Cleanup(func() { removeAll(t, dir) })
	a.start(t)
	if o.acl {
		var token struct{ SecretID string }
		harness.Eventually(t, 30*time.Second, "ACLs bootstrapped", func() error {
			return a.call(http.MethodPost, "/v1/acl/bootstrap", nil, &token)
		})
		a.token = token.SecretID
	}
	harness.Eventually(t, time.Minute, "a node that is ready", func() error {
		var nodes []struct {
			Status  string
			Drivers map[string]struct{ Healthy bool }
		}
		if err := a.call(http.MethodGet, "/v1/nodes", nil, &nodes); err != nil {
			return err
		}
		if len(nodes) != 1 || nodes[0].Status != "ready" || !nodes[0].Drivers["raw_exec"].Healthy {
			return fmt.Errorf("%+v", nodes)
		}
		return nil
	})
	return a
}

func (a *agent) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(harness.Peer(t, "nomad"), "agent", "-dev", "-log-level", "WARN", "-bind", "127.0.0.1", "-data-dir", filepath.Join(a.dir, "d"), "-config", filepath.Join(a.dir, "agent.hcl"))
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "NOMAD_") || strings.HasPrefix(kv, "AWS_") || strings.HasPrefix(kv, "APPLIANCE_")
	})
	a.Process = harness.StartProcess(t, "nomad", cmd)
}

func (a *agent) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// removeAll takes away what an agent leaves behind: the executors of tasks,
// what was mounted for allocations, its directory. A task that still runs fails
// the test.
func removeAll(t *testing.T, dir string) {
	for _, left := range harness.Mentioning(t, dir) {
		if !strings.Contains(left.Command, "nomad executor ") {
			t.Errorf("%s is left over", left)
		}
		if err := syscall.Kill(left.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("kill %s: %v", left, err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Errorf("read mounts: %v", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if at := strings.Fields(line)[1]; strings.HasPrefix(at, dir+"/") {
			if err := syscall.Unmount(at, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", at, err)
			}
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Errorf("remove Nomad's directory: %v", err)
	}
}

// call asks Nomad's API.
func (a *agent) call(method, path string, in, out any) error {
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(in)
	default:
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, a.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("X-Nomad-Token", a.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

func (a *agent) must(t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := a.call(method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// result is what a command did.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", r.code, r.stdout, r.stderr)
}

func (r result) mustExit(t *testing.T, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("want exit code %d, got %s", code, r)
	}
	return r
}

// mustSay fails the test unless each text is in what was printed.
func (r result) mustSay(t *testing.T, texts ...string) result {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("does not say %q: %s", text, r)
		}
	}
	return r
}

// appliance runs `appliance nomad ARG...` against the agent.
func (a *agent) appliance(t *testing.T, args ...string) result {
	t.Helper()
	return a.run(t, harness.Bin(t), append([]string{"nomad"}, args...)...)
}

func (a *agent) run(t *testing.T, command string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command, args...)
	cmd.Env = append(os.Environ(), "NOMAD_ADDR="+a.url, "NOMAD_TOKEN="+a.token, "NOMAD_NAMESPACE=", "NOMAD_REGION=")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", command, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// instance is a registered service.
type instance struct {
	Address string
	Port    int
	Tags    []string
	AllocID string
	JobID   string
}

func (i instance) addr() string { return net.JoinHostPort(i.Address, fmt.Sprint(i.Port)) }

func (a *agent) service(name string) ([]instance, error) {
	var found []instance
	err := a.call(http.MethodGet, "/v1/service/"+name, nil, &found)
	return found, err
}

// mustService waits for exactly n instances of a service.
func (a *agent) mustService(t *testing.T, name string, n int) []instance {
	t.Helper()
	var found []instance
	harness.Eventually(t, time.Minute, fmt.Sprintf("%d instances of service %s", n, name), func() (err error) {
		if found, err = a.service(name); err == nil && len(found) != n {
			err = fmt.Errorf("%d instances: %+v", len(found), found)
		}
		return err
	})
	return found
}

// allocation is an allocation in Nomad's list.
type allocation struct {
	ID            string
	JobID         string
	TaskGroup     string
	ClientStatus  string
	DesiredStatus string
	JobVersion    int
	TaskStates    map[string]struct {
		State    string
		Restarts int
	}
}

func (a *agent) allocations(t *testing.T, job string) []allocation {
	t.Helper()
	var all []allocation
	a.must(t, http.MethodGet, "/v1/job/"+job+"/allocations", nil, &all)
	return slices.DeleteFunc(all, func(x allocation) bool { return x.DesiredStatus != "run" })
}

// end stops a job and waits until nothing of it runs, so that the agent leaves
// no task behind. It does not purge the job: an allocation of a purged one is
// not listed any more while its task still stops.
func (a *agent) end(t *testing.T, job string) {
	t.Cleanup(func() {
		began, asked := time.Now(), time.Time{}
		harness.Eventually(t, 3*time.Minute, "job "+job+" stopped", func() error {
			// Again and again: a stop that comes right after a deployment's success
			// was seen to have no effect. Where the job's stop never has one, its
			// allocations are stopped by themselves.
			now := time.Since(asked) > 3*time.Second
			if now {
				asked = time.Now()
				if err := a.call(http.MethodDelete, "/v1/job/"+job, nil, nil); err != nil {
					return err
				}
			}
			var all []allocation
			if err := a.call(http.MethodGet, "/v1/allocations", nil, &all); err != nil {
				return err
			}
			for _, x := range all {
				if x.JobID == job && (x.ClientStatus == "running" || x.ClientStatus == "pending") {
					if now && x.DesiredStatus == "run" && time.Since(began) > 30*time.Second {
						if err := a.call(http.MethodPost, "/v1/allocation/"+x.ID+"/stop", nil, nil); err != nil {
							return err
						}
					}
					return fmt.Errorf("allocation %s is %s, and meant to %s", x.ID, x.ClientStatus, x.DesiredStatus)
				}
			}
			return nil
		})
	})
}

// serving is the appliance of a job as the harness's clients want it.
func (a *agent) serving(t *testing.T) *harness.Appliance {
	t.Helper()
	return &harness.Appliance{Intake: a.mustService(t, "tempo-write", 1)[0].addr(), Read: a.mustService(t, "tempo-read", 1)[0].addr()}
}
