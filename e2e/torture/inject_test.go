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

// strace runs the appliance with a fault in its system calls of one kind; with
// a path, in those alone that have to do with that very file or directory.
// Calls are counted by thread.
func strace(call, fault, path, log string) []string {
	command := []string{"strace", "-D", "-f", "-o", log, "-e", "trace=" + call, "-e", "inject=" + call + ":" + fault}
	if path != "" {
		command = append(command, "-P", path)
	}
	return command
}

// TestKilledAtSystemCall kills the appliance as it enters each of the first
// system calls of each kind by which files come to be, change, become durable,
// and go: in the path to a 200, to a block, to a release, and of the start
// itself. Then it does so as blocks are placed, merges committed and carried
// out, and what is done with is taken away: each of these ends in a directory
// that is synced.
func TestKilledAtSystemCall(t *testing.T) {
	type kind struct{ call, dir string }
	var kinds []kind
	for _, call := range []string{"pwritev", "fdatasync", "fsync", "renameat", "unlinkat", "ftruncate", "fallocate", "mkdirat", "openat"} {
		kinds = append(kinds, kind{call, ""})
	}
	for _, dir := range []string{"blocks/single-tenant", "blocks/@commits", "blocks/@staging"} {
		kinds = append(kinds, kind{"fsync", dir})
	}
	o, dir := oracle.New(t, 200), dataDir(t)
	o.Start(clients)
	killed := map[kind]int{}
	for _, k := range kinds {
		path, life := "", 3*time.Second
		if k.dir != "" {
			// the archiver looks every ten seconds for what it can purge
			path, life = filepath.Join(dir, k.dir), 30*time.Second
		}
		for n := 1; n <= times(2, 30); n++ {
			opts := quick(t, dir, shortLived())
			opts.Under = strace(k.call, fmt.Sprintf("signal=SIGKILL:when=%d", n), path, filepath.Join(t.TempDir(), "strace"))
			a := harness.Launch(t, opts)
			o.Target(a.IntakeURL())
			awaitIntake(t, a)
			if !ends(a, life) {
				kill(t, a)
				break // it does not make so many of these calls
			}
			if code := a.ExitCode(t, time.Second); code != -1 {
				t.Fatalf("it was not killed at call %d of %s, but ended with exit code %d: %s", n, k, code, a.Output())
			}
			killed[k]++
		}
	}
	a := harness.Start(t, quick(t, dir, shortLived()))
	t.Logf("measured: %s: killed at %v, answers %v", t.Name(), killed, o.Counts().Answers)
	for _, k := range []kind{
		{"pwritev", ""}, {"fdatasync", ""}, {"fsync", ""}, {"renameat", ""},
		{"fsync", "blocks/single-tenant"}, {"fsync", "blocks/@commits"}, {"fsync", "blocks/@staging"},
	} {
		if killed[k] == 0 {
			t.Errorf("it was never killed in %s, which the way to a 200 or to a block needs", k)
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

// TestFailingDisk lets system calls fail, each kind in turn, now and then and
// for good. The appliance must live and tell clients to come back, and what it
// answered 200 must be there.
func TestFailingDisk(t *testing.T) {
	faults := []struct{ call, fault, dir string }{
		{"pwritev", "error=EIO:when=2+5", ""},
		{"pwritev", "error=ENOSPC:when=3+", ""},
		{"pread64", "error=EIO:when=9+9", ""}, // as a block is read back
		{"fdatasync", "error=EIO:when=2+5", ""},
		{"fdatasync", "error=EIO:when=3+", ""},
		{"fsync", "error=EIO:when=2+3", ""},
		{"fallocate", "error=ENOSPC:when=1+", ""},
		{"mkdirat", "error=ENOSPC:when=2+2", ""},
		{"renameat", "error=EIO:when=1+2", ""},
		{"renameat", "error=ENOSPC:when=2+", ""},
		{"unlinkat", "error=EIO:when=1+2", ""},
		{"ftruncate", "error=EIO:when=1+", ""},
		{"fsync", "error=EIO:when=1+2", "blocks/@commits"},
		{"fsync", "error=EIO:when=1+2", "blocks/single-tenant"},
		{"fsync", "error=EIO:when=1+", "blocks/@commits"},
	}
	type kind struct{ call, dir string }
	o, dir := oracle.New(t, 200), dataDir(t)
	o.Start(clients)
	injected := map[kind]int{}
	for round := range times(1, 20) {
		for _, f := range faults {
			log, path := filepath.Join(t.TempDir(), "strace"), ""
			if f.dir != "" {
				path = filepath.Join(dir, f.dir)
			}
			// small segments: more files come and go
			opts := quick(t, dir, map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": "64MiB"})
			opts.Under = strace(f.call, f.fault, path, log)
			a := harness.Launch(t, opts)
			o.Target(a.IntakeURL())
			refused := settle(t, a)
			if !refused {
				met := time.Now().Add(15 * time.Second)
				for a.Alive() && countInjected(t, log) == 0 && time.Now().Before(met) {
					wait(t, 50*time.Millisecond)
				}
				wait(t, 3*time.Second) // for what comes of it
				if !a.Alive() {
					t.Fatalf("round %d: it ended at %v: %s", round, f, a.Output())
				}
				kill(t, a)
			}
			injected[kind{f.call, f.dir}] += countInjected(t, log)
		}
	}
	a := harness.Start(t, quick(t, dir, nil))
	t.Logf("measured: %s: injected %v, answers %v", t.Name(), injected, o.Counts().Answers)
	for _, k := range []kind{
		{"pwritev", ""}, {"fdatasync", ""}, {"fsync", ""}, {"renameat", ""}, {"fsync", "blocks/@commits"}, {"fsync", "blocks/single-tenant"},
	} {
		if injected[k] == 0 {
			t.Errorf("no %s failed, although the way to a 200 or to a block needs it", k)
		}
	}
	judge(t, o, a, 2*time.Minute)
}

// awaitIntake waits until the appliance takes connections, or has ended.
func awaitIntake(t *testing.T, a *harness.Appliance) (ended bool) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, "it listens or ends", func() error {
		if ended = !a.Alive(); !ended && !harness.Listens(a.Intake) {
			return errors.New("neither")
		}
		return nil
	})
	return ended
}

// settle waits until the appliance takes connections, or has ended with a
// reason because it cannot use its directory.
func settle(t *testing.T, a *harness.Appliance) (refused bool) {
	t.Helper()
	if refused = awaitIntake(t, a); refused {
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
