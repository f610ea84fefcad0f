package archive

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestEmbedded sends for many retention periods while the appliance is killed
// and stopped, and reads everything back, also what was purged, in every way
// that there is.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := harness.Start(t, brief(dir, nil))
	saw := watch(t, harness.BlocksDir(dir))
	w := newWaves(t, gentle)
	w.to(a)
	harness.Eventually(t, 30*time.Second, "a first start doubts the clock", func() error {
		s, err := a.Status(t.Context())
		if err == nil && !strings.HasPrefix(s.Archive.Purge.Doubt, "clock: ") {
			err = fmt.Errorf("%+v", s.Archive)
		}
		return err
	})
	for range times(1, 20) {
		w.send(60 * time.Second)
		a.Kill(t)
		a = harness.Launch(t, brief(dir, nil))
		w.to(a)
		w.send(40 * time.Second)
		a.Stop(t)
		a = harness.Launch(t, brief(dir, nil))
		w.to(a)
		w.send(100 * time.Second)
	}
	w.stop()
	s := archived(t, a, 2*time.Minute)
	if s.Archive.Purge.PurgedBlocks == 0 || s.Archive.Purge.Doubt != "" || len(s.Archive.Gaps) > 0 {
		t.Errorf("status says %+v", s.Archive)
	}
	w.mustHoldOnce(archiveDir(dir))
	w.mustAnswer(harness.API(a.Read), 4)
	if purged := saw.mustBeKept(t, archiveDir(dir)); len(purged) < 5 {
		t.Errorf("only %d blocks were purged", len(purged))
	}
	c := commands{dataDir: dir}
	c.mustBeWhole(t)
	c.mustFind(t, w)
	a.Stop(t)
	c.mustFind(t, w)

	// Any Tempo reads the archive, and what is restored from it.
	restored := c.restore(t)
	w.mustHoldOnce(restored)
	plain := harness.StartTempo(t, archiveDir(dir), harness.ReadingTempo)
	w.mustAnswer(plain.API, 2)
	plain = harness.StartTempo(t, restored, harness.ReadingTempo)
	w.mustAnswer(plain.API, 2)
	c.mustBeWhole(t) // that Tempo changed nothing
}
