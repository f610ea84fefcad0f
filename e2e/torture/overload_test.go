package torture

import (
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// The memory that the job of the origin document has.
const jobMemory = 450 << 20

// TestOverload sends as much as clients can to an appliance that lives in 450
// MB, page cache included. It may refuse what it cannot take, and keeps what it
// has answered 200, once; it does not end, and what it takes has to be a lot.
func TestOverload(t *testing.T) {
	flood := time.Duration(times(20, 300)) * time.Second
	// The short form, on a machine that may be busy, holds that it is not a trickle.
	least := float64(times(10_000, 50_000))
	// so that blocks are merged in the flood
	mergeAfter := time.Duration(times(5, 30)) * time.Second
	group := harness.NewMemoryCgroup(t, jobMemory)
	group.PreferCPU(t) // such floods come from more than one machine
	o := oracle.New(t, 500)
	a := harness.Start(t, harness.Options{
		Env:    map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": "1GiB", "APPLIANCE_BLOCKS_MERGE_AFTER": mergeAfter.String()},
		Cgroup: group,
	})
	o.Target(a.IntakeURL())
	load := o.Start(oracle.Shape{Clients: 16, Plain: true})
	wait(t, 2*time.Second) // until all have begun
	began, before, proven := time.Now(), o.Counts().Acked, provenBy(t, a)
	resident := uint64(0)
	for time.Since(began) < flood {
		wait(t, time.Second)
		if !a.Alive() {
			t.Fatal("the appliance ended in the flood")
		}
		resident = max(resident, harness.MemoryOf(t, a.Pid).Resident)
	}
	seconds := time.Since(began).Seconds()
	kept, stored := float64(o.Counts().Acked-before)/seconds, float64(provenBy(t, a)-proven)/seconds
	load.Stop()
	t.Logf("measured: %s: kept %.0f spans/s over %.0f s, of which in proven blocks %.0f; answers %v; resident %d MiB at most, the group %d MiB",
		t.Name(), kept, seconds, stored, o.Counts().Answers, resident>>20, group.PeakMemory(t)>>20)
	if kept < least {
		t.Errorf("%.0f spans/s were kept, the bound is %.0f", kept, least)
	}
	judge(t, o, a, 5*time.Minute)
}

func provenBy(t *testing.T, a *harness.Appliance) int64 {
	t.Helper()
	s, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Ledger.Proven
}
