package archive

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// witness remembers each block that was ever whole in Tempo's storage.
type witness struct {
	dir  string
	mu   sync.Mutex
	seen map[string]bool // tenant/block
}

func watch(t *testing.T, dir string) *witness {
	w := &witness{dir: dir, seen: map[string]bool{}}
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
		block := filepath.Dir(m)
		w.seen[filepath.Join(filepath.Base(filepath.Dir(block)), filepath.Base(block))] = true
	}
}

// mustBeKept fails the test when a block is neither in Tempo's storage nor in the archive, and says how many are only there.
func (w *witness) mustBeKept(t *testing.T, archive string) (purged []string) {
	t.Helper()
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	for block := range w.seen {
		_, err := os.Stat(filepath.Join(archive, block, "manifest.json"))
		_, tempoErr := os.Stat(filepath.Join(w.dir, block))
		switch {
		case err != nil && tempoErr != nil:
			t.Errorf("block %s is purged and not archived", block)
		case tempoErr != nil:
			purged = append(purged, filepath.Base(block))
		}
	}
	t.Logf("measured: %s: %d blocks seen in Tempo's storage, %d of them are in the archive alone", t.Name(), len(w.seen), len(purged))
	return purged
}

// gone says how many of the blocks are not in Tempo's storage any more.
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
