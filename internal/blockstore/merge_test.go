package blockstore

import (
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable/crashfs"
)

// TestMergeRemovesCopies sends records again, so that their copies are in other
// blocks, and holds that a merge removes them, proven.
func TestMergeRemovesCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(1)
		s := start(t, "/", crashfs.New())
		defer s.stop()
		sent, again := int64(0), int64(0)
		for i := range 20 {
			rec, ids := o.record("a")
			sent += int64(len(ids))
			for n := range 1 + i%2 {
				if _, err := s.spool.Append(rec); err != nil {
					t.Fatal(err)
				}
				again += int64(n * len(ids))
				time.Sleep(6 * time.Second)
			}
		}
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		v := s.View("a")
		defer v.Close()
		var spans, copies int64
		for _, b := range v.Blocks {
			spans += b.Lineage.Spans
			copies += b.Lineage.Copies
		}
		if len(v.Blocks) > 3 || spans != sent || copies == 0 || copies > again {
			t.Errorf("%d blocks have %d spans of %d, and left out %d copies of %d", len(v.Blocks), spans, sent, copies, again)
		}
	})
}

// TestProveMerge holds that each difference is seen, also where copies were
// removed.
func TestProveMerge(t *testing.T) {
	in := block.Digest{Spans: 5, Sum: 50, Mixed: 500}
	source := &Block{Lineage: &Lineage{Digest: in}}
	made := func(out, removed block.Digest) []*proven {
		return []*proven{{lineage: Lineage{Digest: out}, stats: block.Stats{Removed: removed}}}
	}
	out, removed := block.Digest{Spans: 3, Sum: 20, Mixed: 300}, block.Digest{Spans: 2, Sum: 30, Mixed: 200}
	if err := proveMerge([]*Block{source}, made(out, removed)); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(d *block.Digest){
		"span": func(d *block.Digest) { d.Spans-- }, "sum": func(d *block.Digest) { d.Sum++ }, "mixed": func(d *block.Digest) { d.Mixed++ },
	} {
		other := out
		change(&other)
		if proveMerge([]*Block{source}, made(other, removed)) == nil {
			t.Errorf("another %s came out", name)
		}
		other = removed
		change(&other)
		if proveMerge([]*Block{source}, made(out, other)) == nil {
			t.Errorf("another %s was removed", name)
		}
	}
}
