package archive

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/archive/store"
)

// pruning runs a Pruner of an archive whose last block was archived at theTime, under a fake clock.
func pruning(t *testing.T, source func(*bench) Source, run func(t *testing.T, p *Pruner, offset *time.Duration)) {
	t.Helper()
	b := archived(t)
	src := source(b)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var offset time.Duration // of the wall clock
		p := NewPruner(b.store, src, Keep{Age: 24 * time.Hour})
		p.archive.now = func() time.Time { return theTime.Add(time.Since(began) + offset) }
		run(t, p, &offset)
	})
}

func noSource(*bench) Source { return nil }

func (p *Pruner) must(t *testing.T) (pruned int, doubt string) {
	t.Helper()
	pruned, doubt, err := p.Prune(t.Context())
	must(t, err)
	return pruned, doubt
}

func TestPrunerPrunesByATrustedClock(t *testing.T) {
	t.Parallel()
	pruning(t, noSource, func(t *testing.T, p *Pruner, _ *time.Duration) {
		if n, doubt := p.must(t); n != 3 || doubt != "" {
			t.Errorf("pruned %d, in doubt %q", n, doubt)
		}
	})
}

// A clock that is a year ahead, at the start or from one prune to the next,
// prunes nothing before it has kept step for long.
func TestPrunerDoubtsTheClock(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]bool{"at the start": true, "later": false} {
		t.Run(name, func(t *testing.T) {
			pruning(t, noSource, func(t *testing.T, p *Pruner, offset *time.Duration) {
				p.keep.Age = 90 * 24 * time.Hour
				if !ahead {
					if n, doubt := p.must(t); n != 0 || doubt != "" { // nothing is as old
						t.Fatalf("pruned %d, in doubt %q", n, doubt)
					}
				}
				*offset = 365 * 24 * time.Hour
				for range int(pruneTrial / time.Hour) {
					if n, doubt := p.must(t); n != 0 || doubt == "" {
						t.Fatalf("pruned %d, in doubt %q", n, doubt)
					}
					<-time.After(time.Hour)
				}
				if n, doubt := p.must(t); n != 3 || doubt != "" {
					t.Errorf("after the trial: pruned %d, in doubt %q", n, doubt)
				}
			})
		})
	}
}

// A clock that is set right while the plan is made has still made it.
func TestPrunerDoubtsAPlanOfAWrongClock(t *testing.T) {
	t.Parallel()
	pruning(t, noSource, func(t *testing.T, p *Pruner, offset *time.Duration) {
		p.keep.Age = 90 * 24 * time.Hour
		right := p.archive.now
		asked := 0
		p.archive.now = func() time.Time {
			if asked++; asked <= 2 { // when the first Prune begins, and for its plan
				return right().AddDate(1, 0, 0)
			}
			return right()
		}
		if n, doubt := p.must(t); n != 0 || doubt == "" {
			t.Errorf("pruned %d, in doubt %q", n, doubt)
		}
	})
}

func TestPrunerSparesWhatTheSourceHas(t *testing.T) {
	t.Parallel()
	pruning(t, (*bench).source, func(t *testing.T, p *Pruner, _ *time.Duration) {
		if n, doubt := p.must(t); n != 0 || doubt != "" {
			t.Errorf("pruned %d, in doubt %q", n, doubt)
		}
	})
}

// pausingStore does something before a Put of a name that ends so, once.
type pausingStore struct {
	store.Store
	at     string
	before func()
}

func (s *pausingStore) Put(ctx context.Context, name string, r io.Reader, size int64) (store.Sum, error) {
	if do := s.before; do != nil && strings.HasSuffix(name, s.at) {
		s.before = nil
		do()
	}
	return s.Store.Put(ctx, name, r, size)
}

// What is being copied again after it was pruned once is not taken for the rest of that prune.
func TestPruneSparesACopyUnderWay(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]func(*bench) Source{"with the source": (*bench).source, "without": noSource} {
		t.Run(name, func(t *testing.T) {
			b := archived(t)
			src := source(b)
			prune := func(src Source) int {
				n, err := planPrune(t, b, src).Run(t.Context(), nil)
				must(t, err)
				return n
			}
			if n := prune(nil); n != 3 {
				t.Fatalf("pruned %d", n)
			}
			again := b.archiver(func(o *Options) {
				o.Store = &pausingStore{b.store, "/" + MetaName, func() {
					if n := prune(src); n != 0 {
						t.Errorf("pruned %d under way", n)
					}
				}}
			})
			if out := b.runOnce(again); out.Archived != 3 {
				t.Errorf("%+v", out)
			}
			b.whole(levelZero...)
		})
	}
}

// What an interrupted prune left of a block that the source has is left to the
// archiver, which may be at it already.
func TestPruneLeavesTheRestOfWhatTheSourceHas(t *testing.T) {
	t.Parallel()
	b := archived(t)
	must(t, setMark(t.Context(), b.store, markPrune, ref{tenant, blockA}))
	must(t, b.store.Delete(t.Context(), ObjectName(tenant, blockA, ManifestName)))
	if p := planPrune(t, b, b.source()); len(p.Blocks) != 0 || len(p.Kept) != 3 {
		t.Errorf("with the source: %+v", p)
	}
	if p := planPrune(t, b, nil); len(p.Blocks) != 3 || len(p.Kept) != 0 {
		t.Errorf("without: %+v", p)
	}
}
