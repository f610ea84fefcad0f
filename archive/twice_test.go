package archive

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// Several archivers of one source, at the same time, on one store.
func TestArchiversAtOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		b := newBench(t, levelZeroDir(t))
		var wg sync.WaitGroup
		for i := range 4 {
			a := b.archiver(func(o *Options) { o.by = fmt.Sprint("archiver ", i) })
			wg.Go(func() {
				out, err := a.RunOnce(t.Context(), nil)
				if err != nil || out.Failed != 0 {
					t.Errorf("%+v, %v", out, err)
				}
				if s := a.Status(); s.Conflicts != 0 || s.PendingBlocks != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
		wg.Wait()
		b.whole(levelZero...)
		if blocks := b.list(Filter{}); len(blocks) != 3 {
			t.Errorf("%+v", blocks)
		}
	}
}

// Archivers of different sources that have other bytes under one id.
func TestArchiversOfDifferentSourcesAtOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		one := newBench(t, levelZeroDir(t))
		two := *one
		two.src = levelZeroDir(t)
		reflush(t, two.src, blockA, blockB)
		reflush(t, two.src, blockB, blockC)
		var wg sync.WaitGroup
		for _, b := range []*bench{one, &two} {
			a := b.archiver(nil)
			wg.Go(func() {
				if out, err := a.RunOnce(t.Context(), nil); err != nil || out.Failed != 0 {
					t.Errorf("%+v, %v", out, err)
				}
			})
		}
		wg.Wait()
		if rep := one.verify(); rep.Damaged() || rep.Blocks != 5 {
			t.Errorf("%+v", rep)
		}
		// The files of each source are in the archive with their bytes.
		kept := map[string]bool{}
		for _, sum := range tree(t, one.dst, nil) {
			kept[sum] = true
		}
		for _, src := range []string{one.src, two.src} {
			for name, sum := range tree(t, src, nil) {
				if !kept[sum] && filepath.Base(name) != MetaName {
					t.Errorf("%s is not in the archive", name)
				}
			}
		}
		for _, b := range []*bench{one, &two} {
			if d, err := Open(b.store).Diff(t.Context(), b.source(), ""); err != nil || d.Same != 3 {
				t.Errorf("%+v, %v", d, err)
			}
		}
	}
}
