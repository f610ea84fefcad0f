package archive

import (
	"os"
	"path/filepath"
	"testing"
)

// What a verification found damaged is archived once more while the source has it, by an archiver that runs as by a new
// one. The damaged copy stays as it is.
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
