// Package image tests the Docker image under a real engine, as .ci/docker provides one.
package image

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestImage runs the image with a read-only root filesystem and no
// capabilities: it takes a trace and returns it, says that it is healthy, runs
// as uid 10001, keeps what it acknowledged over a restart of the container, and
// stops in order.
func TestImage(t *testing.T) {
	image := os.Getenv("APPLIANCE_IMAGE")
	if image == "" {
		t.Fatal("APPLIANCE_IMAGE is not set; run: make image-test")
	}
	a := &harness.Appliance{Intake: harness.FreePort(t), Read: harness.FreePort(t)}
	volume := fmt.Sprintf("appliance-test-%d", os.Getpid())
	id := docker(t, "run", "--detach", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "host",
		"--volume", volume+":/data", "--health-interval", "1s",
		"--env", "APPLIANCE_RECEIVER_LISTEN="+a.Intake, "--env", "APPLIANCE_HTTP_LISTEN="+a.Read, image)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the container printed:\n%s", dockerOutput("logs", id))
		}
		dockerOutput("rm", "--force", id)
		dockerOutput("volume", "rm", volume)
	})
	ready := func() { t.Helper(); harness.Eventually(t, time.Minute, "appliance ready", a.Ready) }
	ready()

	request, traces := harness.NewRequest("in-docker", 3, 4)
	answer, err := a.Export(t.Context(), request)
	if err != nil || answer.Status != 200 {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	sent := map[string]int{}
	for _, trace := range traces {
		sent[trace] = 4
	}
	a.MustFind(t, sent)
	a.MustSearch(t, `{ resource.service.name = "in-docker" }`, traces)

	harness.Eventually(t, time.Minute, "healthy by HEALTHCHECK", func() error {
		if state := docker(t, "inspect", "--format", "{{.State.Health.Status}}", id); state != "healthy" {
			return fmt.Errorf("the engine says %s", state)
		}
		return nil
	})
	if top := docker(t, "top", id, "-o", "pid,uid"); strings.Count(top, "10001") != 1 || strings.Count(top, "\n") != 1 {
		t.Errorf("one process should run, as uid 10001:\n%s", top)
	}

	// acknowledged, and not yet read by anybody
	request, traces = harness.NewRequest("before-stop", 1, 4)
	if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != 200 {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	sent[traces[0]] = 4
	docker(t, "stop", "--time", "40", id)
	var exit struct{ ExitCode int }
	if err := json.Unmarshal([]byte(docker(t, "inspect", "--format", `{"ExitCode":{{.State.ExitCode}}}`, id)), &exit); err != nil || exit.ExitCode != 0 {
		t.Errorf("exit code %d after docker stop: %v", exit.ExitCode, err)
	}
	docker(t, "start", id)
	ready()
	a.MustFind(t, sent)
}

func dockerOutput(args ...string) string {
	out, err := exec.Command("docker", args...).CombinedOutput()
	return fmt.Sprintf("%s%v", out, err)
}
