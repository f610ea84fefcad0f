package archive

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestTakenOver starts on the storage of a Tempo that has merged most of its
// blocks and still has these. Each span is taken over once, archived once, and
// found.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	blocks := filepath.Join(dir, "tempo", "blocks")
	m := harness.StartTempo(t, blocks, compacting(10*time.Minute))
	w := newWaves(t, gentle)
	w.target = "http://" + m.OTLP + "/v1/traces"
	w.send(60 * time.Second)
	w.stop()
	resp, err := http.Post("http://"+string(m.API)+"/flush", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	harness.Eventually(t, time.Minute, "everything sent is in Tempo's blocks", func() error {
		for i, o := range w.all {
			if v, err := o.JudgeBlocks(blocks); err != nil || !v.Clean() {
				return fmt.Errorf("wave %d: %s, %v", i, v, err)
			}
		}
		return nil
	})
	m.Kill(t)
	merged, err := filepath.Glob(filepath.Join(blocks, "*", "*", "meta.compacted.json"))
	if err != nil || len(merged) == 0 {
		t.Fatalf("this Tempo has merged nothing, %v", err)
	}

	a := harness.Start(t, harness.Options{DataDir: dir, Env: harness.QuickBlocks()})
	s := archived(t, a, time.Minute)
	if s.Store.Unreadable > 0 || s.Archive.ArchivedBlocks == 0 {
		t.Errorf("status says %+v, %+v", s.Store, s.Archive)
	}
	w.mustHoldOnce(archiveDir(dir))
	w.mustAnswer(harness.API(a.Read), 10)
	commands{dataDir: dir}.mustBeWhole(t)
	t.Logf("measured: %s: of blocks that were merged: %d", t.Name(), len(merged))
}
