package archive

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// compacting is a Tempo that merges all it can, purges after a minute and a
// half, and keeps a merged block for so long.
func compacting(merged time.Duration) string {
	return fmt.Sprintf(`{ring: {kvstore: {store: ""}}, compaction: {compaction_cycle: 3s, block_retention: 90s, compacted_block_retention: %s, max_compaction_objects: 6000000}}`, merged)
}

// forwarding are options of an appliance in front of a Tempo elsewhere, whose storage it archives.
func forwarding(m *harness.Tempo, dir string) harness.Options {
	return harness.Options{DataDir: dir, Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": "http://" + m.OTLP,
		"APPLIANCE_TEMPO_QUERY_URL":     "http://" + string(m.API),
		"APPLIANCE_ARCHIVE_SOURCE":      "file://" + m.Blocks,
		"APPLIANCE_FORWARDER_SETTLE":    "10s",
	}}
}

// TestTempoElsewhere archives the storage of a Tempo that compacts and purges by itself.
func TestTempoElsewhere(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	m := harness.StartTempo(t, filepath.Join(t.TempDir(), "blocks"), compacting(time.Minute))
	a := harness.Start(t, forwarding(m, dir))
	saw := watch(t, m.Blocks)
	w := newWaves(t, gentle)
	w.to(a)
	covered := 0
	for range times(6, 60) {
		w.send(20 * time.Second)
		s, err := a.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		covered = max(covered, s.Archive.CoveredBlocks)
		mustWarn(t, a, s, "1m0s")
	}
	// The appliance may be away for less than Tempo keeps a block.
	a.Kill(t)
	a = harness.Start(t, forwarding(m, dir))
	// what Tempo may have got from the first, and gets again
	unsettled, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.to(a)
	w.send(20 * time.Second)
	w.stop()
	// Tempo writes its last block, and the archiver sees it.
	s := archived(t, a, 2*time.Minute)
	wait(t, 10*time.Second)
	s = archived(t, a, 2*time.Minute)
	covered = max(covered, s.Archive.CoveredBlocks)
	if covered == 0 {
		t.Error("no block was covered by others: did this Tempo compact?")
	}
	if len(s.Archive.Gaps) > 0 {
		t.Errorf("gaps: %+v", s.Archive.Gaps)
	}
	copies := w.mustHold(archiveDir(dir))
	t.Logf("measured: %s: %d blocks covered at most at a time, %d copies of spans in the archive", t.Name(), covered, copies)
	// A merged block may be archived although its parts are: when it was looked
	// at, one of them could not be read. Then it is listed.
	merged, again := commands{dataDir: dir}.mergedSpans(t), s.Forwarder.ResentSpans+w.retried()+unsettled.Ledger.Pending
	if copies > merged+again {
		t.Errorf("%d copies in the archive; merged blocks in it have %d spans, and %d were sent again", copies, merged, again)
	}
	if n := saw.gone(t); n < 10 {
		t.Errorf("Tempo deleted only %d blocks", n)
	}
	w.mustAnswer(harness.API(a.Read), 2)
	commands{dataDir: dir, env: map[string]string{"APPLIANCE_ARCHIVE_SOURCE": "file://" + m.Blocks}}.mustBeWhole(t)
}

// mustWarn fails the test unless start and status name the setting with which
// Tempo deletes too soon.
func mustWarn(t *testing.T, a *harness.Appliance, s harness.Status, value string) {
	t.Helper()
	const setting = "compactor.compaction.compacted_block_retention"
	named := false
	for _, warning := range s.Archive.Warnings {
		named = named || warning.Setting == setting && warning.Value == value && strings.HasPrefix(warning.Change, "compacted_block_retention: ")
	}
	if !named {
		t.Errorf("status does not warn of %s: %+v", setting, s.Archive.Warnings)
	}
	harness.MustContain(t, a.Output(), setting)
}

// TestUnsafeTempoElsewhere has a Tempo that deletes what it merged before the archiver can look.
func TestUnsafeTempoElsewhere(t *testing.T) {
	t.Parallel()
	m := harness.StartTempo(t, filepath.Join(t.TempDir(), "blocks"), compacting(10*time.Second))
	dir := dataDir(t)
	a := harness.Start(t, forwarding(m, dir))
	var s harness.Status
	harness.Eventually(t, time.Minute, "warnings", func() (err error) {
		if s, err = a.Status(t.Context()); err == nil && len(s.Archive.Warnings) == 0 {
			err = fmt.Errorf("none: %+v", s.Archive)
		}
		return err
	})
	mustWarn(t, a, s, "10s")
}
