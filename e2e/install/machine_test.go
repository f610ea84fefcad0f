package install

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"appliance/e2e/internal/harness"
)

const (
	unitFile = "/usr/lib/systemd/system/appliance.service"
	confFile = "/etc/appliance/appliance.yaml"
	dataDir  = "/var/lib/appliance"
)

// must runs a command that has to succeed, and returns what it printed.
func must(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set; run: make install-test", name)
	}
	return value
}

// unit is what the service's unit says, the last of each key.
func unit(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	keys := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(key, "#") {
			keys[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return keys
}

// asService is the command as systemd would start it: the unit's user, directory and umask, and no
// capability.
func asService(t *testing.T, command []string) *exec.Cmd {
	t.Helper()
	keys := unit(t)
	if keys["User"] == "" || keys["User"] == "root" || keys["Group"] == "" {
		t.Fatalf("the unit runs as user %q, group %q", keys["User"], keys["Group"])
	}
	line := []string{
		"-c", "umask " + keys["UMask"] + ` && exec "$@"`, "sh",
		"setpriv", "--reuid=" + keys["User"], "--regid=" + keys["Group"], "--clear-groups",
		"--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--",
	}
	c := exec.CommandContext(t.Context(), "/bin/sh", append(line, command...)...)
	c.Dir = keys["WorkingDirectory"]
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	return c
}

// start starts the service and waits until it is ready.
func start(t *testing.T) *harness.Appliance {
	t.Helper()
	a := &harness.Appliance{DataDir: dataDir, Intake: "127.0.0.1:4318", GRPC: "127.0.0.1:4317", Read: "127.0.0.1:3200"}
	a.Process = harness.StartProcess(t, "appliance", asService(t, strings.Fields(unit(t)["ExecStart"])))
	a.WaitReady(t)
	return a
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
