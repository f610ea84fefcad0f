package archive

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// witness remembers each block that was ever whole in a storage, the
// appliance's own or a Tempo's, and of which blocks those were made that say
// it.
type witness struct {
	dir    string
	mu     sync.Mutex
	seen   map[string]bool // tenant/block
	merged map[string]bool // tenant/block, what is in another now
}

func watch(t *testing.T, dir string) *witness {
	w := &witness{dir: dir, seen: map[string]bool{}, merged: map[string]bool{}}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			w.look()
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	t.Cleanup(func() { close(done); watching.Wait() })
	return w
}

func (w *witness) look() {
	metas, _ := filepath.Glob(filepath.Join(w.dir, "*", "*", "meta.json"))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range metas {
		dir := filepath.Dir(m)
		tenant := filepath.Base(filepath.Dir(dir))
		if strings.HasPrefix(tenant, "@") { // what is being written or deleted
			continue
		}
		block := filepath.Join(tenant, filepath.Base(dir))
		if w.seen[block] {
			continue
		}
		w.seen[block] = true
		for _, source := range mergedFrom(dir) {
			w.merged[filepath.Join(tenant, source)] = true
		}
	}
}

// mergedFrom are the blocks that a block says it was made of: none where a
// Tempo made it, or the spool.
func mergedFrom(dir string) []string {
	text, err := os.ReadFile(filepath.Join(dir, "lineage.json"))
	if err != nil {
		return nil
	}
	var lineage struct{ Merged []string }
	if json.Unmarshal(text, &lineage) != nil {
		return nil
	}
	return lineage.Merged
}

// mustBeKept fails the test when a block is neither in the storage, nor in the
// archive, nor merged into another, and says which are in the archive alone.
func (w *witness) mustBeKept(t *testing.T, archive string) (purged []string) {
	t.Helper()
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	merged := 0
	for block := range w.seen {
		_, here := os.Stat(filepath.Join(w.dir, block))
		_, archived := os.Stat(filepath.Join(archive, block, "manifest.json"))
		switch {
		case here == nil:
		case archived == nil:
			purged = append(purged, filepath.Base(block))
		case w.merged[block]:
			merged++
		default:
			t.Errorf("block %s is gone, and neither archived nor merged", block)
		}
	}
	t.Logf("measured: %s: %d blocks seen, %d of them were merged, %d are in the archive alone", t.Name(), len(w.seen), merged, len(purged))
	return purged
}

// gone says how many of the blocks are not in the storage any more.
func (w *witness) gone(t *testing.T) (n int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for block := range w.seen {
		if _, err := os.Stat(filepath.Join(w.dir, block)); err != nil {
			n++
		}
	}
	t.Logf("measured: %s: %d blocks seen in Tempo's storage, which deleted %d", t.Name(), len(w.seen), n)
	return n
}
