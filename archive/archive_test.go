package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/archive/store"
)

func TestListFilters(t *testing.T) {
	t.Parallel()
	b := archived(t)
	must(t, os.Mkdir(filepath.Join(b.src, tenant, "00000000-0000-4000-8000-000000000000"), 0o755))
	all := b.list(Filter{})
	if len(all) != 3 || !all[0].Start.Before(all[2].Start) || all[0].InSource || !all[0].PurgesAt.IsZero() || all[0].Traces != 100 || all[0].Spans != 300 || all[0].Bytes < 150_000 {
		t.Fatalf("%+v", all)
	}
	if l := b.list(Filter{Since: all[2].Start}); len(l) != 1 || l[0].ID != all[2].ID {
		t.Errorf("since: %+v", l)
	}
	if l := b.list(Filter{Until: all[0].End}); len(l) != 1 || l[0].ID != all[0].ID {
		t.Errorf("until: %+v", l)
	}
	if l := b.list(Filter{Tenant: "other"}); len(l) != 0 {
		t.Errorf("tenant: %+v", l)
	}
	withSource := b.list(Filter{Source: b.source(), Retention: time.Hour})
	if len(withSource) != 4 || !withSource[1].InSource || !withSource[1].PurgesAt.Equal(withSource[1].End.Add(time.Hour)) {
		t.Errorf("%+v", withSource)
	}
	if l := b.list(Filter{Source: b.source(), State: StateUnfinished}); len(l) != 1 {
		t.Errorf("state: %+v", l)
	}
}

// The order of tenants in a listing is not that of their names, which must not
// make blocks look missing.
func TestTenantsOfSimilarNames(t *testing.T) {
	t.Parallel()
	src := levelZeroDir(t)
	for _, other := range []string{"a", "a-b", "a.b", "a!"} {
		dir := filepath.Join(src, other, blockA)
		must(t, os.MkdirAll(filepath.Dir(dir), 0o755))
		must(t, os.CopyFS(dir, os.DirFS(filepath.Join(src, tenant, blockA))))
		replaceIn(t, filepath.Join(dir, MetaName), tenant, other)
	}
	b := newBench(t, src)
	if out := b.runOnce(b.archiver(nil)); out.Archived != 7 {
		t.Fatalf("%+v", out)
	}
	for range 2 {
		inv, err := takeInventory(t.Context(), b.store)
		must(t, err)
		if len(inv.archived) != 7 || len(inv.missing)+inv.stale != 0 {
			t.Fatalf("%d archived, %d missing, %d not in the catalog", len(inv.archived), len(inv.missing), inv.stale)
		}
		b.verify()
	}
	if _, err := Open(b.store).Show(t.Context(), blockA); !errors.Is(err, ErrAmbiguous) {
		t.Error(err)
	}
	if d, err := Open(b.store).Show(t.Context(), "a-b/"+blockA[:3]); err != nil || d.Tenant != "a-b" || d.Manifest.Tenant != "a-b" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	b := archived(t)
	a := Open(b.store)
	if d, err := a.Show(t.Context(), "2"); err != nil || d.ID != blockA || len(d.Manifest.Files) != 4 {
		t.Errorf("%+v, %v", d, err)
	}
	for prefix, want := range map[string]error{"": ErrAmbiguous, "single-tenant/": ErrAmbiguous, "00": ErrNoBlock, "other/2": ErrNoBlock} {
		if _, err := a.Show(t.Context(), prefix); !errors.Is(err, want) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	b := archived(t)
	_, err := Open(b.store).Pin(t.Context(), blockA)
	must(t, err)
	s, err := Open(b.store).Stats(t.Context())
	must(t, err)
	if s.Total.Blocks != 3 || s.Total.Spans != 900 || s.Pinned != 1 || s.Unverified != 0 || s.Tenants[tenant] != s.Total || s.Encodings["vParquet4"] != s.Total || s.Total.Newest.Before(s.Total.Oldest) {
		t.Errorf("%+v", s)
	}
}

func planPrune(t *testing.T, b *bench, src Source) *PrunePlan {
	t.Helper()
	a := Open(b.store)
	a.now = func() time.Time { return theTime }
	p, err := a.PlanPrune(t.Context(), Keep{Age: 24 * time.Hour}, src)
	must(t, err)
	return p
}

func TestPrune(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	b.runOnce(b.archiver(nil))
	if p := planPrune(t, b, nil); len(p.Blocks) != 0 || len(p.Kept) != 3 || !strings.Contains(p.Kept[0].Reason, "never verified") {
		t.Fatalf("unverified: %+v", p)
	}
	b.verify()
	if p := planPrune(t, b, b.source()); len(p.Blocks) != 0 || len(p.Kept) != 3 || !strings.Contains(p.Kept[0].Reason, "in the source") {
		t.Fatalf("in the source: %+v", p)
	}
	_, err := Open(b.store).Pin(t.Context(), blockA)
	must(t, err)
	flip(t, filepath.Join(b.dst, tenant, blockB, "bloom-0"), 7)
	b.verify()
	p := planPrune(t, b, nil)
	if len(p.Blocks) != 1 || p.Blocks[0].ID != blockC || len(p.Kept) != 2 || p.Bytes < 150_000 {
		t.Fatalf("%+v", p)
	}
	// A pin that comes after the plan counts.
	_, err = Open(b.store).Pin(t.Context(), blockC)
	must(t, err)
	if n, err := p.Run(t.Context(), nil); n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	_, err = Open(b.store).Unpin(t.Context(), blockC)
	must(t, err)
	if n, err := planPrune(t, b, nil).Run(t.Context(), nil); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if got := states(b.list(Filter{})); len(got) != 2 || got[blockC] != "" || got[blockA] != StateArchived {
		t.Errorf("%v", got)
	}
	if _, err := os.Stat(filepath.Join(b.dst, tenant, blockC)); !os.IsNotExist(err) {
		t.Error("its files are still there", err)
	}
	if rep := b.verify(); len(rep.Missing) != 0 {
		t.Errorf("%+v", rep)
	}
}

// A prune that is interrupted anywhere is finished by the next, and nothing
// looks damaged meanwhile.
func TestInterruptedPrune(t *testing.T) {
	t.Parallel()
	for at := 1; at < 100; at++ {
		b := archived(t)
		steps := 0
		inner := b.store
		b.store = &faultyStore{inner, func(op, name string) error {
			if steps++; op != "open" && steps >= at {
				return context.Canceled
			}
			return nil
		}}
		p := planPrune(t, b, nil)
		steps = 0
		_, err := p.Run(t.Context(), nil)
		b.store = inner
		if rep := b.verify(); rep.Damaged() || len(rep.Incomplete) != 0 {
			t.Fatalf("after %d steps: %+v", at, rep)
		}
		// What a Tempo sees is whole.
		for _, id := range levelZero {
			dir := filepath.Join(b.dst, tenant, id)
			if _, err := os.Stat(filepath.Join(dir, MetaName)); err == nil {
				if files := tree(t, dir, func(name string) bool { return name == ManifestName }); len(files) != 4 {
					t.Fatalf("after %d steps: half a block %s", at, id)
				}
			}
		}
		if _, err := planPrune(t, b, nil).Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if l := b.list(Filter{}); len(l) != 0 {
			t.Fatalf("after %d steps: %+v", at, l)
		}
		if err == nil {
			if at < 15 {
				t.Errorf("only %d steps", at)
			}
			return
		}
	}
	t.Error("never finished")
}

// A block that is archived anew after it was pruned is not deleted for the old mark's sake.
func TestArchivedAgainAfterPrune(t *testing.T) {
	t.Parallel()
	b := archived(t)
	_, err := planPrune(t, b, nil).Run(t.Context(), nil)
	must(t, err)
	b.runOnce(b.archiver(nil))
	b.whole(levelZero...)
	must(t, func() error {
		a := Open(b.store)
		p, err := a.PlanPrune(t.Context(), Keep{Age: 10 * 365 * 24 * time.Hour}, nil)
		if err == nil {
			_, err = p.Run(t.Context(), nil)
		}
		return err
	}())
	b.whole(levelZero...)
}

func TestRestore(t *testing.T) {
	t.Parallel()
	b := archived(t)
	dir := filepath.Join(t.TempDir(), "restored")
	a := Open(b.store)
	for range 2 { // the second finds all of it there
		p, err := a.PlanRestore(t.Context(), []string{blockA, blockA[:5], blockC}, dir, b.src)
		must(t, err)
		if len(p.Blocks) != 2 || p.Bytes < 300_000 {
			t.Fatalf("%+v", p)
		}
		var last Progress
		rep, err := p.Run(t.Context(), func(p Progress) { last = p })
		if err != nil || rep.Blocks != 2 || len(rep.Damaged) != 0 || last.Bytes != last.BytesTotal || last.Blocks != 2 {
			t.Fatalf("%+v, %v, %+v", rep, err, last)
		}
	}
	for _, id := range []string{blockA, blockC} {
		want, got := tree(t, filepath.Join(b.src, tenant, id), nil), tree(t, filepath.Join(dir, tenant, id), nil)
		if len(got) != len(want) || len(got) != 4 {
			t.Errorf("%v", got)
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s differs", name)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if e.IsDir() && e.Name() != tenant {
			t.Errorf("a Tempo takes %s for a tenant", e.Name())
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	b := archived(t)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(b.src, link))
	other := levelZeroDir(t) // some Tempo's storage that we know nothing of
	for name, dir := range map[string]string{
		"Tempo's storage": b.src, "below it": filepath.Join(b.src, "new"), "above it": filepath.Dir(b.src), "through a link": filepath.Join(link, "new"),
		"the archive": b.dst, "below the archive": filepath.Join(b.dst, "new"), "another Tempo's": other,
	} {
		if _, err := Open(b.store).PlanRestore(t.Context(), []string{blockA}, dir, b.src); err == nil {
			t.Errorf("restores to %s", name)
		}
	}
	unchanged(t, tree(t, b.src, nil), tree(t, other, nil))
}

func TestRestoreOfADamagedBlock(t *testing.T) {
	t.Parallel()
	for _, file := range []string{dataName, MetaName, "index"} {
		b := archived(t)
		flip(t, filepath.Join(b.dst, tenant, blockA, file), 9)
		dir := t.TempDir()
		p, err := Open(b.store).PlanRestore(t.Context(), []string{blockA, blockB}, dir)
		must(t, err)
		rep, err := p.Run(t.Context(), nil)
		if err != nil || rep.Blocks != 1 || len(rep.Damaged) != 1 || rep.Damaged[0].File != file || rep.Damaged[0].Block != blockA {
			t.Errorf("%s: %+v, %v", file, rep, err)
		}
		if _, err := os.Stat(filepath.Join(dir, tenant, blockA, MetaName)); err == nil {
			t.Errorf("%s: a Tempo sees the damaged block", file)
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	b := archived(t)
	must(t, os.RemoveAll(filepath.Join(b.src, tenant, blockB)))
	reflush(t, b.src, blockA, blockB)
	fresh := "00000000-0000-4000-8000-00000000000a"
	reflush(t, b.src, fresh, blockB)
	d, err := Open(b.store).Diff(t.Context(), b.source(), "")
	must(t, err)
	if d.Same != 1 || len(d.Pending) != 1 || d.Pending[0].ID != fresh || len(d.Changed) != 1 || d.Changed[0].ID != blockA || d.OnlyArchived != 1 {
		t.Errorf("%+v", d)
	}
}

// BenchmarkList lists 100,000 blocks that the catalog has; the bound is 1 s.
func BenchmarkList(b *testing.B) {
	dir := b.TempDir()
	s, err := store.Open(b.Context(), "file://"+dir, store.Options{})
	must(b, err)
	defer s.Close()
	inv := new(inventory)
	for i := range 100_000 {
		r := ref{"tenant-" + fmt.Sprint(i%4), fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i)}
		must(b, os.MkdirAll(filepath.Join(dir, r.tenant, r.block), 0o755))
		inv.archived = append(inv.archived, entry{
			ref: r, encoding: "vParquet4", start: 1.7e9 + int64(i), end: 1.7e9 + int64(i) + 300, traces: 1000, spans: 30_000, bytes: 20 << 20,
			archived: 1.7e9, verified: 1.7e9, digest: fmt.Sprintf("%016x", i),
		})
	}
	slices.SortFunc(inv.archived, func(x, y entry) int { return x.compare(y.ref) })
	must(b, inv.save(b.Context(), s))
	for b.Loop() {
		blocks, err := Open(s).List(b.Context(), Filter{})
		if err != nil || len(blocks) != 100_000 || blocks[0].State != StateArchived {
			b.Fatal(len(blocks), err)
		}
	}
}

// A block whose manifest is damaged, and which no catalog knows, is found by its id as any other.
func TestABlockOfADamagedManifest(t *testing.T) {
	t.Parallel()
	b := archived(t)
	must(t, os.Remove(filepath.Join(b.dst, catalogName)))
	must(t, os.WriteFile(filepath.Join(b.dst, tenant, blockA, ManifestName), []byte("{"), 0o644))
	a := Open(b.store)
	d, err := a.Show(t.Context(), blockA[:4])
	if err != nil || d.State != StateDamaged || d.ID != blockA || d.Manifest != nil || d.Damage == "" {
		t.Errorf("%+v, %v", d, err)
	}
	rep, err := a.Verify(t.Context(), VerifyOptions{Blocks: []string{blockA[:4]}})
	if err != nil || rep.Blocks != 1 || len(rep.Damage) != 1 || rep.Damage[0].File != ManifestName {
		t.Errorf("%+v, %v", rep, err)
	}
	if rep := b.verify(); rep.Blocks != 3 || len(rep.Damage) != 1 {
		t.Errorf("%+v", rep)
	}
	if p, err := a.Pin(t.Context(), blockA[:4]); err != nil || !p.Pinned || p.State != StateDamaged {
		t.Errorf("%+v, %v", p, err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	p, err := a.PlanRestore(t.Context(), []string{blockA[:4]}, dir)
	if err != nil || len(p.Blocks) != 0 || len(p.Damaged) != 1 || p.Damaged[0].Block != blockA || p.Damaged[0].File != ManifestName {
		t.Fatalf("restoring it: %+v, %v", p, err)
	}
	if rep, err := p.Run(t.Context(), nil); err != nil || rep.Blocks != 0 || len(rep.Damaged) != 1 {
		t.Errorf("restoring it: %+v, %v", rep, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory for nothing: %v", err)
	}
	p, err = a.PlanRestore(t.Context(), []string{blockA, blockB}, dir)
	must(t, err)
	if rep, err := p.Run(t.Context(), nil); err != nil || rep.Blocks != 1 || len(rep.Damaged) != 1 {
		t.Errorf("restoring it and another: %+v, %v", rep, err)
	}
}
