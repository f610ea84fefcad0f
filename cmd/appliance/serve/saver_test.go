package serve

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
)

// A scrape waits for a save, and neither it nor the next one for a disk that
// hangs.
func TestSaver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s saver
		var n atomic.Int64
		for range 3 {
			s.save(func() error { n.Add(1); return nil })
		}
		if n.Load() != 3 {
			t.Errorf("%d of 3 saves are done", n.Load())
		}
		until := make(chan struct{})
		for range 3 {
			s.save(func() error { n.Add(1); <-until; return nil })
		}
		if n.Load() != 4 {
			t.Errorf("%d saves hang, want 1", n.Load()-3)
		}
		close(until)
		synctest.Wait()
		s.save(func() error { n.Add(1); return nil })
		if n.Load() != 5 {
			t.Error("nothing is saved after the disk hung")
		}
	})
}

// A counter over all runs that a scrape has shown is not less after kill -9: it
// was saved before.
func TestScrapedCountersDoNotGoBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.json")
	open := func() *ledger.Ledger {
		l, err := ledger.Open(durable.OS, path, spool.Status{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	run := ledger.Counts{SampledOut: map[string]int64{"probability": 40}, RuledOut: map[string]int64{"health": 2}}
	families := ledgerMetrics(func() ledger.Account { return shown(new(saver), l, run, func() spool.Status { return spool.Status{} }) })
	before := samples(families)
	l = open() // it was not closed
	after := samples(ledgerMetrics(func() ledger.Account { return l.Balance(ledger.Counts{}, spool.Status{}) }))
	for _, name := range []string{"appliance_received_spans_total", "appliance_sampled_out_spans_total probability", "appliance_ruled_out_spans_total health"} {
		if before[name] == 0 || after[name] < before[name] {
			t.Errorf("%s is %v after a crash, and was shown as %v", name, after[name], before[name])
		}
	}
}
