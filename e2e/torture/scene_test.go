package torture

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// times is how often something is done: short by default, long with TORTURE=long.
func times(short, long int) int {
	if os.Getenv("TORTURE") == "long" {
		return long
	}
	return short
}

// quick are options of an appliance that makes blocks, merges and archives them
// within seconds. What is in the spool when it is stopped stays there for the
// most part: the next one is to find it.
func quick(t testing.TB, dataDir string, env map[string]string) harness.Options {
	t.Helper()
	all := harness.QuickBlocks()
	all["APPLIANCE_FORWARDER_DRAIN_DEADLINE"] = "1s"
	maps.Copy(all, env)
	return harness.Options{DataDir: dataDir, Env: all}
}

// collecting are options of an appliance whose Tempo is elsewhere; at nothing,
// unless env says where.
func collecting(t testing.TB, dataDir string, env map[string]string) harness.Options {
	t.Helper()
	all := map[string]string{"APPLIANCE_FORWARDER_TEMPO_URL": "http://" + harness.FreePort(t), "APPLIANCE_FORWARDER_DRAIN_DEADLINE": "1s"}
	maps.Copy(all, env)
	return harness.Options{DataDir: dataDir, Env: all}
}

// dataDir is a directory that outlives the appliances of a test.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { harness.EndOrphans(t, dir) })
	return dir
}

// kill ends an appliance by force, and waits until it and what follows its system calls are gone.
func kill(t testing.TB, a *harness.Appliance) {
	t.Helper()
	below := harness.Descendants(t, a.Pid)
	a.Signal(t, syscall.SIGKILL)
	gone(t, a, below)
}

func gone(t testing.TB, a *harness.Appliance, below []harness.Task) {
	t.Helper()
	<-a.Ended()
	harness.Eventually(t, 20*time.Second, "children gone", func() error {
		for _, k := range below {
			if k.Runs() {
				return fmt.Errorf("%s still runs", k)
			}
		}
		return nil
	})
}

// takes waits until the intake takes connections.
func takes(t testing.TB, a *harness.Appliance) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, "intake", func() error {
		if !a.Alive() {
			t.Fatalf("the appliance ended: %s", a.Output())
		}
		if !harness.Listens(a.Intake) {
			return fmt.Errorf("nothing listens on %s", a.Intake)
		}
		return nil
	})
}

// judge stops the load, waits until the ledger says that everything is proven,
// reads everything back, and fails the test when something that was answered
// 200 is missing, or anything is corrupted, invented or there twice.
func judge(t testing.TB, o *oracle.Oracle, a *harness.Appliance, patience time.Duration) {
	t.Helper()
	o.StopAll()
	proven := drained(t, a, patience)
	v := inStore(t, o, a.DataDir)
	t.Logf("measured: %s: all proven %.1f s after the load, in blocks: %s", t.Name(), proven.Seconds(), v)
	once(t, v)
	once(t, answered(t, o, a))
	account(t, o, a)
}

// once holds that everything is there, and once.
func once(t testing.TB, v oracle.Verdict) {
	t.Helper()
	clean(t, v)
	if v.Duplicated > 0 {
		t.Errorf("%d spans are there twice: %s", v.Duplicated, strings.Join(v.Examples, "; "))
	}
}

func clean(t testing.TB, v oracle.Verdict) {
	t.Helper()
	if !v.Clean() {
		t.Errorf("not everything was kept as it was sent: %s: %s", v, strings.Join(v.Examples, "; "))
	}
}

// inBlocks reads all finished blocks of a Tempo, with a reader of the oracle's own.
func inBlocks(t testing.TB, o *oracle.Oracle, dir string) oracle.Verdict {
	t.Helper()
	v, err := o.JudgeBlocks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// inStore reads all finished blocks of an appliance, and what of them is in its archive alone.
func inStore(t testing.TB, o *oracle.Oracle, dataDir string) oracle.Verdict {
	t.Helper()
	v, err := o.JudgeStore(2*time.Minute, harness.BlocksDir(dataDir), filepath.Join(dataDir, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// answered reads some traces through the read API.
func answered(t testing.TB, o *oracle.Oracle, a *harness.Appliance) oracle.Verdict {
	t.Helper()
	a.WaitReady(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(times(3, 60))*time.Minute)
	defer cancel()
	v, err := o.Judge(ctx, a.Trace, times(100, 10_000), time.Duration(times(1, 10))*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("measured: %s: through the read API: %s", t.Name(), v)
	for _, wrong := range o.Counts().Wrong {
		t.Errorf("a client got: %s", wrong)
	}
	return v
}

// drained waits until nothing is pending, and says how long that took.
func drained(t testing.TB, a *harness.Appliance, patience time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	patience *= time.Duration(times(1, 5)) // with so much more to prove
	harness.Eventually(t, patience, "everything proven", func() error {
		s, err := a.Status(t.Context())
		if err != nil {
			return err
		}
		if err := s.Ledger.Balanced(); err != nil {
			t.Fatal(err)
		}
		if s.Ledger.Pending > 0 {
			return fmt.Errorf("%d spans are pending: %+v", s.Ledger.Pending, s)
		}
		return nil
	})
	return time.Since(began)
}

// balanced fails the test when the ledger does not balance at this moment, such
// as right after a kill.
func balanced(t testing.TB, a *harness.Appliance) {
	t.Helper()
	var s harness.Status
	// its port is opened after the intake's
	harness.Eventually(t, 10*time.Second, "the status", func() (err error) {
		s, err = a.Status(t.Context())
		return err
	})
	if err := s.Ledger.Balanced(); err != nil {
		t.Error(err)
	}
}

// account compares the ledger with what the clients know. A request that was
// not answered may have been kept.
func account(t testing.TB, o *oracle.Oracle, a *harness.Appliance) harness.Ledger {
	t.Helper()
	s, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ledger.Balanced(); err != nil {
		t.Error(err)
	}
	if c := o.Counts(); s.Ledger.Kept < c.Acked || s.Ledger.Kept > c.Tried {
		t.Errorf("the ledger says that %d spans were kept; %d were answered 200, %d tried", s.Ledger.Kept, c.Acked, c.Tried)
	}
	if _, samples := a.Metrics(t); samples["appliance_unaccounted_spans"] != 0 {
		t.Errorf("appliance_unaccounted_spans is %v", samples["appliance_unaccounted_spans"])
	}
	return s.Ledger
}
