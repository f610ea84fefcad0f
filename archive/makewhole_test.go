package archive

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"appliance/archive/store"
)

// replica is a second archive of the same blocks.
func replica(t *testing.T, b *bench) Source {
	t.Helper()
	r := &bench{t: t, src: levelZeroDir(t), dst: filepath.Join(t.TempDir(), "replica")}
	s, err := store.Open(t.Context(), r.dst, store.Options{Create: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	r.store = s
	r.runOnce(r.archiver(nil))
	return r.store
}

func planRepair(t *testing.T, b *bench, block string, sources ...Source) *RepairPlan {
	t.Helper()
	p, err := Open(b.store).PlanRepair(t.Context(), block, sources...)
	must(t, err)
	return p
}

// Each kind of damage is made good from whoever has the right bytes, and
// nothing is said of it afterwards.
func TestRepair(t *testing.T) {
	t.Parallel()
	at := func(b *bench, file string) string { return filepath.Join(b.dst, tenant, blockB, file) }
	bits := func(t *testing.T, b *bench) {
		flip(t, at(b, dataName), 20_000)
		flip(t, at(b, MetaName), 30)
		must(t, os.Truncate(at(b, "index"), 3))
		must(t, os.Remove(at(b, "bloom-0")))
	}
	manifest := func(t *testing.T, b *bench) { flip(t, at(b, ManifestName), 40) }
	all := func(t *testing.T, b *bench) { must(t, os.RemoveAll(filepath.Dir(at(b, "x")))) }
	tempo := func(t *testing.T, b *bench) []Source { return []Source{b.source()} }
	marked := func(t *testing.T, b *bench) []Source {
		dir := filepath.Join(b.src, tenant, blockB)
		must(t, os.Rename(filepath.Join(dir, MetaName), filepath.Join(dir, compactedMetaName)))
		return tempo(t, b)
	}
	another := func(t *testing.T, b *bench) []Source { return []Source{replica(t, b)} }
	// archived again under another id, then gone from its source
	itself := func(t *testing.T, b *bench) []Source {
		b.verify()
		if out := b.runOnce(b.archiver(nil)); out.Archived != 1 {
			t.Fatalf("%+v", out)
		}
		return nil
	}
	for name, c := range map[string]struct {
		damage func(*testing.T, *bench)
		from   func(*testing.T, *bench) []Source
		files  int
	}{
		"bits, from Tempo":                {bits, tempo, 4},
		"bits, from what Tempo marked":    {bits, marked, 4},
		"bits, from a replica":            {bits, another, 4},
		"bits, from a copy in itself":     {bits, itself, 4},
		"the manifest, from Tempo":        {manifest, tempo, 1},
		"the manifest, from a replica":    {manifest, another, 1},
		"all of it, from Tempo":           {all, tempo, 1},
		"all of it, from a replica":       {all, another, 5},
		"manifest and bits, of a replica": {func(t *testing.T, b *bench) { bits(t, b); manifest(t, b) }, another, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, levelZeroDir(t))
			a := b.archiver(nil)
			b.runOnce(a)
			a.remember(t.Context(), true)
			whole := tree(t, b.dst, nil)
			c.damage(t, b)
			sources := c.from(t, b)
			b.verify()
			p := planRepair(t, b, blockB, sources...)
			if len(p.Damage) == 0 || len(p.Lost) != 0 || len(p.Files) != c.files {
				t.Fatalf("%+v", p)
			}
			must(t, p.Run(t.Context()))
			rep := b.verify()
			if rep.Damaged() || rep.Blocks != 3+len(p.Copies) {
				t.Errorf("%+v", rep)
			}
			now := tree(t, b.dst, nil)
			for name, sum := range whole {
				if strings.Contains(name, blockB) && !strings.HasSuffix(name, ManifestName) && now[name] != sum {
					t.Errorf("%s is not as it was", name)
				}
			}
			if marks, err := readMarks(t.Context(), b.store); err != nil || len(marks[markDamaged])+len(marks[markPrune]) != 0 {
				t.Errorf("%v, %v", marks, err)
			}
			// The archiver trusts it again.
			if out := b.runOnce(a); out.Archived+out.Failed != 0 {
				t.Errorf("%+v", out)
			}
			if p := planRepair(t, b, blockB); len(p.Damage) != 0 || p.Run(t.Context()) != nil {
				t.Errorf("once more: %+v", p)
			}
		})
	}
}

// A block that has other bytes under its id than Tempo has now is repaired from
// no such bytes.
func TestRepairTakesNoOtherBytes(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"its data": dataName, "its manifest": ManifestName} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, levelZeroDir(t))
			b.runOnce(b.archiver(nil))
			flip(t, filepath.Join(b.dst, tenant, blockB, file), 40)
			flip(t, filepath.Join(b.src, tenant, blockB, dataName), 20_000)
			flip(t, filepath.Join(b.src, tenant, blockB, "bloom-0"), 200)
			ours := func(name string) bool { return strings.HasPrefix(name, ownPrefix) }
			before := tree(t, b.dst, ours)
			p := planRepair(t, b, blockB, b.source())
			if !slices.Equal(p.Lost, []string{file}) {
				t.Errorf("%+v", p)
			}
			if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("%v", err)
			}
			after := tree(t, b.dst, ours)
			if unchanged(t, before, after); len(after) != len(before) {
				t.Errorf("%d files became %d", len(before), len(after))
			}
		})
	}
}

// The archive under another name has nothing to say of itself.
func TestRepairFromItself(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	b.runOnce(b.archiver(nil))
	flip(t, filepath.Join(b.dst, tenant, blockB, ManifestName), 40)
	itself, err := OpenSource(t.Context(), link(t, b.dst), nil)
	must(t, err)
	defer itself.Close()
	if _, err := Open(b.store).PlanRepair(t.Context(), blockB, b.source(), itself); !errors.Is(err, ErrSame) {
		t.Errorf("%v", err)
	}
}

// Whatever a repair is ended by, the block is known to be damaged, and the next
// repair goes on.
func TestRepairGoesOn(t *testing.T) {
	t.Parallel()
	for steps := 1; ; steps++ {
		b := newBench(t, levelZeroDir(t))
		b.runOnce(b.archiver(nil))
		for _, file := range []string{dataName, MetaName, "index"} {
			flip(t, filepath.Join(b.dst, tenant, blockB, file), 30)
		}
		ours := func(name string) bool { return strings.HasPrefix(name, ownPrefix) }
		before := tree(t, b.dst, ours)
		left := steps
		ended := errors.New("ended")
		s := &faultyStore{b.store, func(op, _ string) error {
			if op == "open" {
				return nil
			}
			if left--; left < 0 {
				return ended
			}
			return nil
		}}
		p, err := Open(s).PlanRepair(t.Context(), blockB, b.source())
		must(t, err)
		err = p.Run(t.Context())
		if err == nil {
			if steps < 8 {
				t.Errorf("only %d steps", steps)
			}
			return
		}
		if !errors.Is(err, ended) {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		rep, err := Open(b.store).Verify(t.Context(), VerifyOptions{})
		must(t, err)
		known, changed := rep.Damaged(), !maps.Equal(before, tree(t, b.dst, ours))
		if changed && !known && b.verify().Damaged() {
			t.Errorf("after %d steps: nobody knows that it is damaged", steps)
		}
		must(t, planRepair(t, b, blockB, b.source()).Run(t.Context()))
		b.whole(levelZero...)
	}
}

// A block that cannot be repaired is dropped when somebody says so, and nothing
// is said of it afterwards.
func TestDrop(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, b *bench){
		"bits":     func(t *testing.T, b *bench) { flip(t, filepath.Join(b.dst, tenant, blockB, dataName), 20_000) },
		"manifest": func(t *testing.T, b *bench) { flip(t, filepath.Join(b.dst, tenant, blockB, ManifestName), 40) },
		"missing":  func(t *testing.T, b *bench) { must(t, os.RemoveAll(filepath.Join(b.dst, tenant, blockB))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, levelZeroDir(t))
			a := b.archiver(nil)
			b.runOnce(a)
			a.remember(t.Context(), true)
			if err := planRepair(t, b, blockB).Drop(t.Context()); err == nil || !strings.Contains(err.Error(), "is whole") {
				t.Errorf("a whole block: %v", err)
			}
			damage(t, b)
			if !b.verify().Damaged() {
				t.Fatal("the damage is not found")
			}
			p := planRepair(t, b, blockB)
			if len(p.Lost) == 0 || len(p.Copies) != 0 {
				t.Errorf("%+v", p)
			}
			if name != "missing" {
				_, err := Open(b.store).Pin(t.Context(), blockB)
				must(t, err)
				if err := planRepair(t, b, blockB).Drop(t.Context()); err == nil || !strings.Contains(err.Error(), "pinned") {
					t.Errorf("a pinned block: %v", err)
				}
				_, err = Open(b.store).Unpin(t.Context(), blockB)
				must(t, err)
			}
			must(t, planRepair(t, b, blockB).Drop(t.Context()))
			if rep := b.verify(); rep.Damaged() || rep.Blocks != 2 {
				t.Errorf("%+v", rep)
			}
			if _, err := Open(b.store).PlanRepair(context.WithoutCancel(t.Context()), blockB); !errors.Is(err, ErrNoBlock) {
				t.Errorf("%v", err)
			}
			if out := b.runOnce(b.archiver(nil)); out.Archived != 1 { // Tempo still has it
				t.Errorf("%+v", out)
			}
			b.whole(levelZero...)
		})
	}
}
