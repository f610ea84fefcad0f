package torture

import (
	"path/filepath"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// TestDiscarded gives the embedded Tempo a limit above which it answers 200 and discards. That is Tempo's configuration, not our loss, but it
// is counted, to the span, with Tempo's reason.
func TestDiscarded(t *testing.T) {
	t.Parallel()
	o := oracle.New(t, 200)
	a := harness.Start(t, quick(t, "", nil, "overrides: {defaults: {ingestion: {max_traces_per_user: 1}}}\n"))
	o.Target(a.IntakeURL())
	load := o.Start(oracle.Shape{Clients: 4, SpansPerSecond: 500, MaxBatch: 300})
	wait(t, 3*time.Second)
	load.Stop()
	proven := drained(t, a, 2*time.Minute)
	v, ledger := inBlocks(t, o, filepath.Join(a.DataDir, "tempo", "blocks")), account(t, o, a)
	t.Logf("measured: %s: %s; discarded by the ledger: %v; nothing pending after %.1f s", t.Name(), v, ledger.Discarded, proven.Seconds())
	if v.Corrupted > 0 || v.Invented > 0 {
		t.Errorf("corrupted or invented: %v", v.Examples)
	}
	if ledger.Discards() == 0 || ledger.Discards() != v.Missing {
		t.Errorf("%d spans are missing, the ledger says that Tempo discarded %v", v.Missing, ledger.Discarded)
	}
}
