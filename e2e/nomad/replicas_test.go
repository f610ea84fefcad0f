package nomad

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

const (
	lockPath = "nomad/jobs/tempo/archiver"
	// takeover is the lock's TTL of 15 s, its delay of 5 s, Nomad's own slack
	// of some seconds, and a busy machine.
	takeover = 90 * time.Second
)

// TestReplicas runs three appliances that share one lock, kills the one that
// archives, freezes the next beyond its TTL, and stops the third in order: each
// time another takes over, and no two terms overlap.
func TestReplicas(t *testing.T) {
	a := startAgent(t, agentOptions{})
	var replicas []*harness.Appliance
	store := t.TempDir()
	for range 3 {
		replicas = append(replicas, harness.Start(t, harness.Options{Env: map[string]string{
			"APPLIANCE_NOMAD_ADDRESS": a.url, "APPLIANCE_NOMAD_LOCK": lockPath, "APPLIANCE_ARCHIVE_STORE": "file://" + store,
		}}))
	}
	never := watchHolders(t, replicas)
	first := holder(t, replicas)
	killed := time.Now()
	first.Signal(t, syscall.SIGKILL)
	<-first.Ended()
	rest := slices.DeleteFunc(slices.Clone(replicas), func(r *harness.Appliance) bool { return r == first })
	second := holder(t, rest)
	t.Logf("another took over %s after the kill", time.Since(killed).Round(100*time.Millisecond))

	// Ingest does not depend on who archives.
	for _, r := range rest {
		request, ids := harness.NewRequest("replica", 1, 2)
		if answer, err := r.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("export: %+v, %v", answer, err)
		}
		r.MustFind(t, map[string]int{ids[0]: 2})
	}

	freeze(t, second.Process)
	third := holder(t, slices.DeleteFunc(slices.Clone(rest), func(r *harness.Appliance) bool { return r == second }))
	thaw(t, second.Process)
	harness.Eventually(t, takeover, "the one that was frozen notices", func() error {
		if !strings.Contains(second.Output(), "the archiver's lock is lost") {
			return fmt.Errorf("it has not")
		}
		return nil
	})

	stopped := time.Now()
	third.Stop(t)
	holder(t, []*harness.Appliance{second})
	t.Logf("another took over %s after a stop in order", time.Since(stopped).Round(100*time.Millisecond))
	never()

	// The store says the same: the terms follow one another, and so do their
	// fences. What a term's holder logged lies in it.
	text, err := os.ReadFile(filepath.Join(store, "@archiver-terms.json"))
	if err != nil {
		t.Fatal(err)
	}
	var terms []term
	if err := json.Unmarshal(text, &terms); err != nil {
		t.Fatal(err)
	}
	if len(terms) < 4 {
		t.Errorf("%d terms in the store, want 4: %s", len(terms), text)
	}
	for i := 1; i < len(terms); i++ {
		if before := terms[i-1]; terms[i].Fence <= before.Fence || !terms[i].Began.After(before.Began) {
			t.Errorf("%+v does not come after the term before, %+v", terms[i], before)
		}
	}
	logged := 0
	for _, r := range replicas {
		logged += strings.Count(r.Output(), "the archiver's lock is ours")
	}
	if logged < len(terms) {
		t.Errorf("%d terms in the store, and %d in the logs", len(terms), logged)
	}
}

// TestACL holds that with ACLs on the printed policies suffice, for the person
// and for the tasks, and what is said where one of them is missing.
func TestACL(t *testing.T) {
	name := image(t)
	a := startAgent(t, agentOptions{acl: true})
	spec := []string{"--image", name, "--write-port", freePort(t), "--read-port", freePort(t), "--grpc-port", freePort(t), "--memory-max", "0"}
	run := func(token, command string, more ...string) result {
		return a.appliance(t, append([]string{command, "--token", token}, more...)...)
	}
	apply := func(policy, file string, more ...string) {
		t.Helper()
		args := append(append([]string{"acl", "policy", "apply"}, more...), policy, file)
		a.run(t, harness.Peer(t, "nomad"), args...).mustExit(t, 0)
	}
	token := func(policy string) string {
		t.Helper()
		var made struct{ SecretID string }
		a.must(t, http.MethodPost, "/v1/acl/token", map[string]any{"Name": policy, "Type": "client", "Policies": []string{policy}}, &made)
		return made.SecretID
	}

	// A person.
	printed := a.appliance(t, append([]string{"policy", "--for", "operator"}, spec...)...).mustExit(t, 0).stdout
	apply("operator", a.write(t, "operator.hcl", printed))
	apply("reader", a.write(t, "reader.hcl", "namespace \"default\" {\n  policy = \"read\"\n}\n"))
	operator, reader := token("operator"), token("reader")
	run(reader, "register", spec...).mustExit(t, 1).mustSay(t, "refused by Nomad (403", "lacks a right", "appliance nomad policy --for operator")
	run(reader, "plan", spec...).mustExit(t, 255).mustSay(t, "refused by Nomad (403")
	run("00000000-0000-0000-0000-000000000000", "status").mustExit(t, 1).mustSay(t, "refused by Nomad (403", "is unknown or lacks a right")
	run(operator, "plan", spec...).mustExit(t, 1)
	run(operator, "register", spec...).mustExit(t, 0).mustSay(t, "volume tempo-data created", "job tempo is healthy")
	a.end(t, "tempo")
	run(operator, "register", spec...).mustExit(t, 0).mustSay(t, "nothing to do")
	run(operator, "register", append(spec, "--env", "APPLIANCE_CONFIG=/nowhere.yaml", "--healthy-deadline", "15s")...).mustExit(t, 1).
		mustSay(t, "brought back", "/nowhere.yaml: no such file")
	harness.Eventually(t, time.Minute, "the earlier version's checks pass", func() error {
		if r := run(operator, "status").mustExit(t, 0); strings.Count(r.stdout, "success") < 3 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	run(operator, "deregister", "--yes", "--purge").mustExit(t, 0)

	// The tasks: two replicas, without and with their policy.
	source, store := filepath.Join(a.dir, "blocks"), filepath.Join(a.dir, "archive")
	for _, dir := range []string{source, store} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	replicas := []string{"--driver", "raw_exec", "--command", harness.Bin(t), "--data", "ephemeral", "--count", "2", "--tempo", "elsewhere",
		"--set", "forwarder.tempo_url=http://127.0.0.1:9", "--set", "archive.source=file://" + source, "--set", "archive.store=file://" + store,
		"--write-port", "dynamic", "--read-port", "dynamic", "--memory", "300", "--memory-max", "0"}
	run(operator, "register", replicas...).mustExit(t, 0)
	harness.Eventually(t, time.Minute, "both say what they lack", func() error {
		for _, x := range a.allocations(t, "tempo") {
			log, err := a.read(t.Context(), "/v1/client/fs/logs/"+x.ID+"?plain=true&type=stderr&task=appliance")
			if err != nil {
				return err
			}
			if !strings.Contains(log, "the archiver's lock cannot be asked for") || !strings.Contains(log, "refused by Nomad (403") {
				return fmt.Errorf("allocation %s does not", x.ID)
			}
		}
		return nil
	})
	policy := a.appliance(t, append([]string{"policy"}, replicas...)...).mustExit(t, 0).stdout
	apply("tempo-archiver", a.write(t, "task.hcl", policy), "-namespace", "default", "-job", "tempo")
	var both []*harness.Appliance
	for _, i := range a.mustService(t, "tempo-read", 2) {
		both = append(both, &harness.Appliance{Read: i.addr()})
	}
	never := watchHolders(t, both)
	first := holder(t, both)
	pid := serving(t, first.Read)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, takeover, "the lock is taken over", func() error {
		var log string
		for _, x := range a.allocations(t, "tempo") {
			text, err := a.read(t.Context(), "/v1/client/fs/logs/"+x.ID+"?plain=true&type=stderr&task=appliance")
			if err != nil {
				return err
			}
			log += text
		}
		if n := strings.Count(log, "the archiver's lock is ours"); n < 2 {
			return fmt.Errorf("%d terms so far", n)
		}
		return nil
	})
	never()
}

// holds asks a replica whether it holds the lock now.
func holds(r *harness.Appliance) bool {
	resp, err := metricsClient.Get("http://" + r.Read + "/metrics")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return err == nil && strings.Contains(string(text), "\nappliance_nomad_lock_held 1\n")
}

var metricsClient = &http.Client{Timeout: 2 * time.Second}

func holder(t *testing.T, replicas []*harness.Appliance) (found *harness.Appliance) {
	t.Helper()
	harness.Eventually(t, takeover, "one of them holds the lock", func() error {
		for _, r := range replicas {
			if holds(r) {
				found = r
				return nil
			}
		}
		return fmt.Errorf("none of %d", len(replicas))
	})
	return found
}

// watchHolders asks all replicas again and again who holds the lock; the
// returned function ends it and fails the test when two did at once. Two are
// only blamed when the first still says so after the second did: the answers
// come one after the other.
func watchHolders(t *testing.T, replicas []*harness.Appliance) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	two, asked := 0, 0
	go func() {
		defer close(done)
		for {
			var holding []*harness.Appliance
			for _, r := range replicas {
				if holds(r) {
					holding = append(holding, r)
				}
			}
			asked++
			if len(holding) > 1 && holds(holding[0]) {
				two++
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		close(stop)
		<-done
		if two > 0 {
			t.Errorf("two held the lock at once, %d times of %d", two, asked)
		}
	}
	t.Cleanup(end)
	return end
}

// term is one in the store.
type term struct {
	Fence  uint64
	Holder string
	Began  time.Time
}

// serving is the process that listens at an address of this machine.
func serving(t *testing.T, addr string) int {
	t.Helper()
	_, port, _ := strings.Cut(addr, ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp6")
	if err != nil {
		t.Fatal(err)
	}
	var inode string
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 9 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) && f[3] == "0A" {
			inode = f[9]
		}
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "socket:["+inode+"]" {
			pid, err := strconv.Atoi(strings.Split(link, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("nothing listens at %s (socket %s)", addr, cmp.Or(inode, "unknown"))
	return 0
}
