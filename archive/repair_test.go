package archive

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"appliance/archive/store"
	"appliance/internal/wallclock"
)

// What a verification found damaged is archived once more while the source has
// it, by an archiver that runs as by a new one. The damaged copy stays as it
// is.
func TestDamagedCopyIsArchivedAgain(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"running": false, "started later": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, levelZeroDir(t))
			a := b.archiver(nil)
			b.runOnce(a)
			flip(t, filepath.Join(b.dst, tenant, blockB, dataName), 20_000)
			before := tree(t, b.dst, nil)
			if out := b.runOnce(a); out.Archived != 0 {
				t.Errorf("before anybody has seen the damage: %+v", out)
			}
			if !b.verify().Damaged() {
				t.Fatal("the damage is not found")
			}
			if d, err := Open(b.store).Diff(t.Context(), b.source(), ""); err != nil || d.Same != 2 || len(d.Pending) != 1 || len(d.Changed) != 0 {
				t.Errorf("%+v, %v", d, err)
			}
			if restart {
				a = b.archiver(nil)
			}
			if out := b.runOnce(a); out.Archived != 1 || out.Failed != 0 {
				t.Errorf("with the damage known: %+v", out)
			}
			if out := b.runOnce(a); out.Archived != 0 {
				t.Errorf("once more: %+v", out)
			}
			unchanged(t, before, tree(t, b.dst, nil))
			again := 0
			for _, l := range b.list(Filter{Source: b.source()}) {
				if l.DerivedFrom == blockB && l.State == StateArchived {
					again++
				} else if l.ID == blockB && l.State != StateDamaged || l.State == StatePending {
					t.Errorf("%+v", l)
				}
			}
			if again != 1 {
				t.Errorf("%d good copies", again)
			}
			if d, err := Open(b.store).Diff(t.Context(), b.source(), ""); err != nil || d.Same != 3 || len(d.Pending) != 0 {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

// A copy that a later verification finds whole is one again, for an archiver that runs as well.
func TestRepairedCopyIsTrusted(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	ill := false
	a := b.archiver(func(o *Options) {
		o.Store = &faultyStore{o.Store, func(op, name string) error {
			if ill && op == "put" {
				return store.ErrFull
			}
			return nil
		}}
	})
	b.runOnce(a)
	data := filepath.Join(b.dst, tenant, blockB, dataName)
	flip(t, data, 20_000)
	b.verify()
	ill = true
	if out := b.runOnce(a); out.Failed != 1 || out.Archived != 0 {
		t.Fatalf("with the damage known, and a full store: %+v", out)
	}
	flip(t, data, 20_000)
	if b.verify().Damaged() {
		t.Fatal("it is damaged still")
	}
	ill = false
	for range 2 {
		if out := b.runOnce(a); out.Archived+out.Failed != 0 || a.Status().PendingBlocks != 0 {
			t.Errorf("with the copy whole again: %+v, %+v", out, a.Status())
		}
	}
	b.whole(levelZero...)
	if l := b.list(Filter{}); len(l) != 3 {
		t.Errorf("%+v", l)
	}
}

// A copy of other bytes than the source's is whole, and no verification makes
// it a copy of the source. That is known for as long as the source has the
// block.
func TestForeignCopyIsNeverTrusted(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(nil)
		p.after(time.Minute)
		flip(t, filepath.Join(p.src, tenant, blockA, "bloom-0"), 5000)
		flip(t, filepath.Join(p.dst, tenant, blockB, dataName), 20_000)
		p.verify() // marks another copy, which is replaced
		p.after(time.Minute)
		flip(t, filepath.Join(p.dst, tenant, blockB, dataName), 20_000)
		if s := p.after(wallclock.Trial - 90*time.Second); s.Purge.PurgedBlocks != 2 || s.Conflicts != 1 || len(p.a.foreign) != 1 {
			t.Fatalf("%+v, %+v, %v", s, s.Purge, p.a.foreign)
		}
		if p.verify().Damaged() { // and takes the mark away
			t.Fatal("it is damaged still")
		}
		s := p.after(5 * time.Minute)
		if s.Purge.PurgedBlocks != 3 || s.Conflicts != 2 || s.ArchivedBlocks != 5 || len(p.a.foreign)+len(p.a.damaged) != 0 {
			t.Errorf("%+v, %+v, %v, %v", s, s.Purge, p.a.foreign, p.a.damaged)
		}
	})
}

// A block whose spans were all in one that is damaged now is not covered any more.
func TestDamagedCopyCoversNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, compactedDir(t))
	a := b.archiver(nil)
	if out := b.runOnce(a); out.Archived != 3 || out.Covered != 1 {
		t.Fatalf("%+v", out)
	}
	flip(t, filepath.Join(b.dst, tenant, blockA, dataName), 20_000)
	b.verify()
	if out := b.runOnce(b.archiver(nil)); out.Archived != 1 || out.Covered != 1 {
		t.Errorf("with the damaged one in the source, it is archived again and covers as before: %+v", out)
	}
	flip(t, filepath.Join(b.dst, tenant, blockC, dataName), 20_000)
	b.verify()
	must(t, os.RemoveAll(filepath.Join(b.src, tenant, blockC)))
	if out := b.runOnce(a); out.Archived != 1 || out.Covered != 0 {
		t.Errorf("without it in the source, what it covered is archived: %+v", out)
	}
}
