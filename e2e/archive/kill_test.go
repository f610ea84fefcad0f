package archive

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestKilled kills the appliance while it merges, archives and deletes, again
// and again on the same directory.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := harness.Start(t, brief(dir, nil))
	saw := watch(t, harness.BlocksDir(dir))
	w := newWaves(t, gentle)
	w.to(a)
	w.send(retention) // until the clock is trusted
	kills := map[string]int{}
	moments := []string{"ready", merges, "ready"}
	for round := range times(4, 100) {
		w.next()
		last := "block is archived"
		if round%2 == 0 {
			last = "block is purged"
		}
		for _, when := range append(slices.Clone(moments), last) {
			most := 100 * time.Millisecond
			switch when {
			case merges:
				merged(t, a)
			case "ready": // any time of the first look at everything
				said(t, a, when)
				most = 3 * time.Second
			default:
				said(t, a, when)
			}
			wait(t, rand.N(most))
			a.Kill(t)
			kills[when]++
			a = harness.Launch(t, brief(dir, nil))
			w.to(a)
		}
	}
	w.stop()
	archived(t, a, 2*time.Minute)
	t.Logf("measured: %s: killed after each of these: %v", t.Name(), kills)
	w.mustHoldOnce(archiveDir(dir))
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

const merges = "blocks are merged"

// merged waits until the appliance has merged blocks, or is about to.
func merged(t *testing.T, a *harness.Appliance) {
	t.Helper()
	staged := filepath.Join(harness.BlocksDir(a.DataDir), "@commits", "*.json")
	harness.Eventually(t, time.Minute, merges, func() error {
		s, err := a.Status(t.Context())
		if found, _ := filepath.Glob(staged); len(found) == 0 && err == nil && s.Store.Merges == 0 {
			err = fmt.Errorf("not yet: %+v", s.Store)
		}
		return err
	})
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
