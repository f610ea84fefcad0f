package archive

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"appliance/internal/durable"
	"appliance/internal/wallclock"
)

// refusals counts how often the blocks were to be deleted, and refuses one until it is told not to.
type refusals struct {
	mu      sync.Mutex
	refused string
	asked   map[string]int
}

func (d *refusals) around(del func(tenant, block string) bool) func(tenant, block string) bool {
	return func(tenant, block string) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.asked[block]++
		return block != d.refused && del(tenant, block)
	}
}

func (d *refusals) of(block string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[block]
}

// A block that cannot be deleted is held back, and proven and asked for again after a while.
func TestBlockThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		d := &refusals{refused: blockB, asked: map[string]int{}}
		p.start(func(o *Options) { o.Embedded.Delete = d.around(p.delete) })
		s := p.after(wallclock.Trial + 30*time.Second)
		if s.Purge.PurgedBlocks != 2 || s.Purge.HeldBlocks != 0 || d.of(blockB) != 1 {
			t.Fatalf("refused once: %+v, asked %v", s.Purge, d.asked)
		}
		for range askAgain - 1 {
			if s = p.after(time.Minute); s.Purge.HeldBlocks != 1 || s.Purge.HeldBytes != s.SourceBytes || d.of(blockB) != 1 {
				t.Fatalf("there with the next scan: %+v, asked %v", s.Purge, d.asked)
			}
		}
		if s = p.after(time.Minute); s.Purge.HeldBlocks != 1 || d.of(blockB) != 2 {
			t.Fatalf("asked again: %+v, asked %v", s.Purge, d.asked)
		}
		// p.delete fails unless it is read again
		flip(t, filepath.Join(p.dst, tenant, blockB, dataName), 20_000)
		d.mu.Lock()
		d.refused = ""
		d.mu.Unlock()
		s = p.after((askAgain + 1) * time.Minute)
		if s.Purge.PurgedBlocks != 3 || s.Purge.HeldBlocks != 0 || s.Conflicts != 1 || len(p.inSource()) != 0 || len(s.Gaps) != 0 {
			t.Errorf("%+v, %+v", s, s.Purge)
		}
	})
}

// A block that somebody else has deleted is neither held back nor purged by us, and no gap.
func TestBlockThatIsGoneAlready(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(func(o *Options) {
			o.Embedded.Delete = func(tenant, block string) bool { return p.delete(tenant, block) && block != blockB }
		})
		for range 3 * 60 {
			if s := p.after(time.Minute); s.Purge.HeldBlocks != 0 && s.Purge.Doubt == "" {
				t.Fatalf("%+v", s.Purge)
			}
		}
		if s := p.a.Status(); s.Purge.PurgedBlocks != 2 || s.SourceBlocks != 0 || len(s.Gaps)+len(s.Failures) != 0 {
			t.Errorf("%+v, %+v", s, s.Purge)
		}
	})
}

// A deleted block whose files a query still reads counts no more, and is not
// deleted again. Other bytes in its place are a block like any other.
func TestDeletedBlockIsStillRead(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		d := &refusals{asked: map[string]int{}}
		p.start(func(o *Options) {
			o.Embedded.Delete = d.around(func(tenant, block string) bool {
				return block == blockB || p.delete(tenant, block) // B's files stay
			})
		})
		s := p.after(3 * time.Hour)
		if s.Purge.PurgedBlocks != 3 || s.Purge.HeldBlocks+s.SourceBlocks+s.UnfinishedBlocks != 0 || d.of(blockB) != 1 || !slices.Equal(p.inSource(), []string{blockB}) {
			t.Fatalf("%+v, %+v, asked %v", s, s.Purge, d.asked)
		}
		meta := filepath.Join(p.src, tenant, blockB, MetaName)
		text, err := os.ReadFile(meta)
		must(t, err)
		must(t, os.WriteFile(meta, append(text, '\n'), 0o644))
		if s = p.after(10 * time.Minute); s.ArchivedBlocks != 4 || s.Purge.PurgedBlocks != 4 || d.of(blockB) != 2 || !p.holds(tenant, blockB) {
			t.Fatalf("%+v, %+v, asked %v", s, s.Purge, d.asked)
		}
		must(t, os.RemoveAll(filepath.Dir(meta)))
		if s = p.after(10 * time.Minute); s.Purge.PurgedBlocks != 4 || len(s.Gaps)+len(s.Failures) != 0 || len(p.a.known) != 0 {
			t.Errorf("%+v, %+v", s, s.Purge)
		}
	})
}

// What is not a whole block is neither archived nor deleted.
func TestUnfinishedBlockStays(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		must(t, os.Remove(filepath.Join(p.src, tenant, blockA, MetaName)))
		must(t, os.RemoveAll(filepath.Join(p.src, tenant, blockB)))
		must(t, os.Mkdir(filepath.Join(p.src, tenant, blockB), 0o755))
		d := &refusals{asked: map[string]int{}}
		p.start(func(o *Options) { o.Embedded.Delete = d.around(p.delete) })
		s := p.after(3 * time.Hour)
		if s.UnfinishedBlocks != 2 || s.Purge.PurgedBlocks != 1 || d.of(blockA)+d.of(blockB) != 0 || !slices.Equal(p.inSource(), []string{blockA, blockB}) {
			t.Errorf("%+v, %+v, asked %v", s, s.Purge, d.asked)
		}
	})
}

// A block that is not final is as if it were not there, wherever it is asked
// for; once it is final it is one like any other.
func TestBlockThatIsNotFinal(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		var mu sync.Mutex
		notFinal := map[string]bool{blockA: true, blockB: true}
		final := func(of, block string) bool {
			mu.Lock()
			defer mu.Unlock()
			return of == tenant && !notFinal[block]
		}
		// The store's own directory is not that of a tenant.
		must(t, os.MkdirAll(filepath.Join(p.src, ".staging", levelOne), 0o755))
		p.start(func(o *Options) { o.Embedded.Final = final })
		s := p.after(2 * time.Hour)
		if s.SourceBlocks+s.PendingBlocks+s.UnfinishedBlocks+s.Purge.HeldBlocks != 0 || s.ArchivedBlocks != 1 || s.Purge.PurgedBlocks != 1 ||
			*s.HeadroomSeconds != testRetention.Seconds() || !slices.Equal(p.inSource(), []string{blockA, blockB}) {
			t.Fatalf("%+v, %+v", s, s.Purge)
		}
		src := OnlyFinal(p.source(), final)
		if got := states(p.list(Filter{Source: src})); len(got) != 1 || got[blockC] != StateArchived {
			t.Errorf("listed: %v", got)
		}
		if diff, err := Open(p.store).Diff(t.Context(), src, ""); err != nil || len(diff.Pending)+len(diff.Unfinished) != 0 || diff.OnlyArchived != 1 {
			t.Errorf("%+v, %v", diff, err)
		}
		// One is merged into another, and one becomes final.
		must(t, os.RemoveAll(filepath.Join(p.src, tenant, blockA)))
		mu.Lock()
		delete(notFinal, blockB)
		mu.Unlock()
		s = p.after(2 * time.Minute)
		if s.ArchivedBlocks != 2 || s.Purge.PurgedBlocks != 2 || len(s.Gaps)+len(s.Failures) != 0 || len(p.inSource()) != 0 {
			t.Errorf("%+v, %+v", s, s.Purge)
		}
	})
}

// A final block that goes before it was archived is a gap.
func TestFinalBlockVanishes(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		flip(t, filepath.Join(p.src, tenant, blockA, dataName), 0) // so that it cannot be archived
		p.start(func(o *Options) { o.Embedded.Final = func(string, string) bool { return true } })
		if s := p.after(time.Minute); s.PendingBlocks != 1 {
			t.Fatalf("%+v", s)
		}
		if !deleter(durable.OS, p.src)(tenant, blockA) {
			t.Fatal("it is not deleted")
		}
		if s := p.after(2 * time.Minute); len(s.Gaps) != 1 || s.Gaps[0].Block != blockA || s.Failures[CauseGone] != 1 {
			t.Errorf("%+v", s)
		}
	})
}
