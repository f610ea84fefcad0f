//go:build peers

package archive

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"appliance/archive/store"
	"appliance/archive/store/storetest"
)

// What the other tests do with directories, with a real S3 server as the
// archive, and as the source.
func TestS3(t *testing.T) {
	g := storetest.StartGateway(t)
	g.Bucket(t, "tempo")
	g.Bucket(t, "archive")
	open := func(url string) store.Store {
		s, err := store.Open(t.Context(), url, store.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	}
	b := &bench{t: t, src: compactedDir(t), store: open(g.URL("archive/of/tempo", ""))}

	// From a directory to a bucket; then from a bucket to another place in it.
	if out := b.runOnce(b.archiver(nil)); out.Archived != 3 || out.Covered != 1 || out.Failed != 0 {
		t.Fatalf("%+v", out)
	}
	b.whole(levelZero...)
	tempo := open(g.URL("tempo/storage", ""))
	for name := range tree(t, b.src, nil) {
		f, err := os.Open(filepath.Join(b.src, name))
		must(t, err)
		info, err := f.Stat()
		must(t, err)
		_, err = tempo.Put(t.Context(), name, f, info.Size())
		must(t, err)
		must(t, f.Close())
	}
	source, err := OpenSource(t.Context(), g.URL("tempo/storage", ""), nil)
	must(t, err)
	defer source.Close()
	second := &bench{t: t, store: open(g.URL("archive/again", ""))}
	a, err := New(Options{Store: second.store, Source: source, wall: func() time.Time { return theTime }})
	must(t, err)
	if out, err := a.RunOnce(t.Context(), nil); err != nil || out.Archived != 3 || out.Covered != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	second.whole(levelZero...)

	// A flipped bit, a restore, a prune.
	flip(t, filepath.Join(g.Dir, "archive", "of", "tempo", tenant, blockB, dataName), 30_000)
	if rep := b.verify(); len(rep.Damage) != 1 || rep.Damage[0].File != dataName {
		t.Errorf("%+v", rep)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	plan, err := Open(b.store).PlanRestore(t.Context(), []string{blockA, blockB}, dir)
	must(t, err)
	if rep, err := plan.Run(t.Context(), nil); err != nil || rep.Blocks != 1 || len(rep.Damaged) != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
	unchanged(t, tree(t, filepath.Join(dir, tenant, blockA), nil), tree(t, filepath.Join("read/testdata", tenant, blockA), nil))
	_, err = Open(b.store).Pin(t.Context(), blockC)
	must(t, err)
	if n, err := planPrune(t, b, nil).Run(t.Context(), nil); n != 1 || err != nil {
		t.Errorf("%d pruned, %v", n, err)
	}
	if got := states(b.list(Filter{})); len(got) != 2 || got[blockB] != StateDamaged || got[blockC] != StateArchived {
		t.Errorf("%v", got)
	}
}
