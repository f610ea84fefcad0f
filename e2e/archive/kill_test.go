package archive

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestKilled kills the appliance while it archives, marks and deletes, again and again on the same directory.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := harness.Start(t, brief(t, dir, nil))
	saw := watch(t, tempoBlocks(dir))
	w := newWaves(t, gentle)
	w.to(a)
	w.send(retention) // until the clock is trusted
	kills := map[string]int{}
	moments := []string{"ready", "block is archived", "ready", "block is marked for purging"}
	for round := range times(4, 100) {
		w.next()
		last := "block is archived"
		if round%2 == 0 {
			last = "block is purged" // takes a grace
		}
		for _, when := range append(slices.Clone(moments), last) {
			said(t, a, when)
			most := 100 * time.Millisecond
			if when == "ready" { // any time of the first look at everything
				most = 3 * time.Second
			}
			wait(t, rand.N(most))
			a.Kill(t)
			kills[when]++
			a = harness.Launch(t, brief(t, dir, nil))
			w.to(a)
		}
	}
	w.stop()
	archived(t, a, 2*time.Minute)
	t.Logf("measured: %s: killed after each of these: %v", t.Name(), kills)
	w.mustHold(tempoBlocks(dir), archiveDir(dir))
	if purged := saw.mustBeKept(t, archiveDir(dir)); len(purged) == 0 {
		t.Error("nothing was purged")
	}
	w.mustAnswer(harness.API(a.Read), 2)
	commands{dataDir: dir}.mustBeWhole(t)
	s, err := a.Status(t.Context())
	if err != nil || len(s.Archive.Gaps) > 0 {
		t.Errorf("%+v, %v", s.Archive, err)
	}
}

// said waits until the appliance has logged a message.
func said(t *testing.T, a *harness.Appliance, message string) {
	t.Helper()
	harness.Eventually(t, 3*time.Minute, message, func() error {
		if !strings.Contains(a.Output(), `"msg":"`+message+`"`) {
			return fmt.Errorf("not logged")
		}
		return nil
	})
}
