package archive

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/internal/blockstore"
)

func TestNameOfTheLineage(t *testing.T) {
	if lineageName != blockstore.LineageName {
		t.Errorf("the block store calls it %s", blockstore.LineageName)
	}
}

// A block's lineage is in no copy, and nobody misses it there.
func TestLineageIsNotArchived(t *testing.T) {
	t.Parallel()
	b := newBench(t, embeddedDir(t))
	a := b.archiver(nil)
	if out := b.runOnce(a); out.Archived != 3 {
		t.Fatalf("%+v", out)
	}
	b.whole(levelZero...)
	// That it changes or goes changes nothing.
	must(t, os.WriteFile(filepath.Join(b.src, tenant, blockA, lineageName), []byte("{}"), 0o644))
	must(t, os.Remove(filepath.Join(b.src, tenant, blockB, lineageName)))
	for _, a := range []*Archiver{a, b.archiver(nil)} {
		if out := b.runOnce(a); out.Archived != 0 || a.Status().PendingBlocks != 0 {
			t.Errorf("%+v", out)
		}
	}
	if d, err := Open(b.store).Diff(t.Context(), b.source(), ""); err != nil || d.Same != 3 || len(d.Pending)+len(d.Changed) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	p, err := Open(b.store).PlanRestore(t.Context(), levelZero, dir)
	must(t, err)
	_, err = p.Run(t.Context(), nil)
	must(t, err)
	for _, at := range []string{b.dst, dir} {
		for name := range tree(t, at, nil) {
			if strings.HasSuffix(name, lineageName) {
				t.Errorf("%s has %s", at, name)
			}
		}
	}
}

// A manifest that names one is as good as any other, and so is its block.
func TestArchivedLineage(t *testing.T) {
	t.Parallel()
	b := newBench(t, embeddedDir(t))
	b.runOnce(b.archiver(nil))
	m, err := ReadManifest(t.Context(), b.store, tenant, blockA)
	must(t, err)
	text, err := os.ReadFile(filepath.Join(b.src, tenant, blockA, lineageName))
	must(t, err)
	m.Files = append(m.Files, File{lineageName, int64(len(text)), hexSum(sha256.Sum256(text))})
	manifest, err := EncodeManifest(m)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(b.dst, tenant, blockA, lineageName), text, 0o644))
	must(t, b.store.Replace(t.Context(), ObjectName(tenant, blockA, ManifestName), manifest))
	if rep := b.verify(); rep.Damaged() || rep.Blocks != 3 {
		t.Errorf("%+v", rep)
	}
	if out := b.runOnce(b.archiver(nil)); out.Archived+out.Failed != 0 {
		t.Errorf("archived again: %+v", out)
	}
	a := b.archiver(nil)
	source, err := inspect(t.Context(), a.opt.Source, tenant, blockA)
	must(t, err)
	if ok, err := a.prove(t.Context(), source); err != nil || !ok {
		t.Errorf("proven %t, %v", ok, err)
	}
}
