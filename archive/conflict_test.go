package archive

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// However often a block is written again under its id, each version is kept.
func TestManyVersionsOfABlock(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	b.runOnce(b.archiver(nil))
	const versions = 2 * deriveAttempts
	for i := range versions {
		replaceIn(t, filepath.Join(b.src, tenant, blockA, MetaName), fmt.Sprintf(`"indexPageSize":%d,`, i), fmt.Sprintf(`"indexPageSize":%d,`, i+1))
		if out := b.runOnce(b.archiver(nil)); out.Archived != 1 || out.Failed != 0 {
			t.Fatalf("version %d: %+v", i, out)
		}
	}
	if l := b.list(Filter{}); len(l) != 3+versions {
		t.Errorf("%d blocks", len(l))
	}
	b.whole(levelZero...)
}

// Another archiver commits other files under the id between our last look and our manifest.
func TestAnotherManifestComesFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, levelZeroDir(t))
	raced := false
	a := b.archiver(func(o *Options) {
		o.Store = &faultyStore{b.store, func(op, name string) error {
			if op != "put" || raced || name != ObjectName(tenant, blockA, ManifestName) {
				return nil
			}
			raced = true
			text, err := EncodeManifest(&Manifest{Tenant: tenant, Block: blockA, Encoding: "vParquet4", Files: []File{{MetaName, 1, strings.Repeat("ab", 32)}}})
			must(t, err)
			_, err = b.store.Put(t.Context(), name, bytes.NewReader(text), int64(len(text)))
			return err
		}}
	})
	if out := b.runOnce(a); out.Archived != 3 || out.Failed != 0 || a.Status().Conflicts != 1 {
		t.Fatalf("%+v", out)
	}
	if d, err := Open(b.store).Diff(t.Context(), b.source(), ""); err != nil || d.Same != 3 {
		t.Errorf("%+v, %v", d, err)
	}
}
