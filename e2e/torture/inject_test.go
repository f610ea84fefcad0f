package torture

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// strace runs the appliance, and not its Tempo (-b execve), with a fault in its system calls. Calls are counted by thread.
func strace(call, fault, log string) []string {
	return []string{"strace", "-D", "-f", "-b", "execve", "-o", log, "-e", "trace=" + call, "-e", "inject=" + call + ":" + fault}
}

// TestKilledAtSystemCall kills the appliance as it enters each of the first system calls of each kind by which files come to be, change,
// become durable, and go: in the path to a 200, to a release, and of the start itself.
func TestKilledAtSystemCall(t *testing.T) {
	calls := []string{"pwritev", "fdatasync", "fsync", "renameat", "unlinkat", "ftruncate", "fallocate", "mkdirat", "openat"}
	o, dir := oracle.New(t, 200), dataDir(t)
	o.Start(clients)
	killed := map[string]int{}
	for _, call := range calls {
		for n := 1; n <= times(2, 30); n++ {
			opts := quick(t, dir, nil)
			opts.Under = strace(call, fmt.Sprintf("signal=SIGKILL:when=%d", n), filepath.Join(t.TempDir(), "strace"))
			a := harness.Launch(t, opts)
			o.Target(a.IntakeURL())
			if !ends(a, 3*time.Second) {
				kill(t, a)
				break // it does not make so many of these calls
			}
			if code := a.ExitCode(t, time.Second); code != -1 {
				t.Fatalf("it was not killed at call %d of %s, but ended with exit code %d: %s", n, call, code, a.Output())
			}
			killed[call]++
		}
	}
	a := harness.Start(t, quick(t, dir, nil))
	t.Logf("measured: %s: killed at %v, answers %v", t.Name(), killed, o.Counts().Answers)
	for _, call := range []string{"pwritev", "fdatasync", "fsync", "renameat"} {
		if killed[call] == 0 {
			t.Errorf("it was never killed in %s, which the way to a 200 needs", call)
		}
	}
	judge(t, o, a, 2*time.Minute)
}

func ends(a *harness.Appliance, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-a.Ended():
		return true
	case <-timer.C:
		return false
	}
}

// TestFailingDisk lets system calls fail, each kind in turn, now and then and for good. The appliance must live and tell clients to come
// back, and what it answered 200 must be there.
func TestFailingDisk(t *testing.T) {
	faults := []struct{ call, fault string }{
		{"pwritev", "error=EIO:when=2+5"},
		{"pwritev", "error=ENOSPC:when=3+"},
		{"fdatasync", "error=EIO:when=2+5"},
		{"fdatasync", "error=EIO:when=3+"},
		{"fsync", "error=EIO:when=2+3"},
		{"fallocate", "error=ENOSPC:when=1+"},
		{"renameat", "error=EIO:when=1+2"},
		{"renameat", "error=ENOSPC:when=2+"},
		{"unlinkat", "error=EIO:when=1+2"},
		{"ftruncate", "error=EIO:when=1+"},
	}
	o, dir := oracle.New(t, 200), dataDir(t)
	o.Start(clients)
	injected := map[string]int{}
	for round := range times(1, 20) {
		for _, f := range faults {
			log := filepath.Join(t.TempDir(), "strace")
			opts := quick(t, dir, map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": "64MiB"}) // small segments: more files come and go
			opts.Under = strace(f.call, f.fault, log)
			a := harness.Launch(t, opts)
			o.Target(a.IntakeURL())
			refused := settle(t, a)
			if !refused {
				wait(t, time.Second)
				if !a.Alive() {
					t.Fatalf("round %d: it ended at %s:%s: %s", round, f.call, f.fault, a.Output())
				}
				kill(t, a)
			}
			injected[f.call] += countInjected(t, log)
		}
	}
	a := harness.Start(t, quick(t, dir, nil))
	t.Logf("measured: %s: injected %v, answers %v", t.Name(), injected, o.Counts().Answers)
	for _, call := range []string{"pwritev", "fdatasync", "fsync", "renameat"} {
		if injected[call] == 0 {
			t.Errorf("no %s failed, although the way to a 200 needs it", call)
		}
	}
	judge(t, o, a, 2*time.Minute)
}

// settle waits until the appliance takes connections, or has ended with a reason because it cannot use its directory.
func settle(t *testing.T, a *harness.Appliance) (refused bool) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, "it listens or ends", func() error {
		if !a.Alive() {
			refused = true
			return nil
		}
		if !harness.Listens(a.Intake) {
			return errors.New("neither")
		}
		return nil
	})
	if refused {
		if code := a.ExitCode(t, time.Second); code != 1 {
			t.Fatalf("it ended with exit code %d: %s", code, a.Output())
		}
	}
	return refused
}

func countInjected(t *testing.T, log string) int {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("(INJECTED)"))
}
