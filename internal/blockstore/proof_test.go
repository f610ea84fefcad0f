package blockstore

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// flipping is a disk that changes some bytes of one of the data files, as it is
// written.
type flipping struct {
	durable.FS
	mu      sync.Mutex
	at      int // the data file, from 1 on
	opened  int
	flipped string
}

func (f *flipping) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	if err != nil || flag&os.O_CREATE == 0 || filepath.Base(name) != block.DataName {
		return file, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opened++; f.opened != f.at {
		return file, nil
	}
	f.flipped = name
	return &flippedFile{File: file, head: f.at%2 == 1}, nil
}

// flippedFile is changed once: its head, or the middle of its first pages.
type flippedFile struct {
	durable.File
	head, done bool
}

func (f *flippedFile) WritevAt(bufs [][]byte, off int64) error {
	if !f.done && f.head == (off == 0) {
		f.done = true
		bufs = slices.Clone(bufs)
		largest := 0
		for i, b := range bufs {
			if len(b) > len(bufs[largest]) {
				largest = i
			}
		}
		changed := slices.Clone(bufs[largest])
		for i := len(changed) / 4; i < len(changed)*3/4; i++ {
			changed[i] ^= 4
		}
		bufs[largest] = changed
	}
	return f.File.WritevAt(bufs, off)
}

// TestDamagedBlockIsNotBelieved lets a disk change bytes of each of the first
// blocks, merged ones too: it is made again, and nothing is missing.
func TestDamagedBlockIsNotBelieved(t *testing.T) {
	made := 12
	for at := 1; at < made; at++ {
		synctest.Test(t, func(t *testing.T) {
			o, disk := newOracle(uint64(at)), &flipping{FS: crashfs.New(), at: at}
			s := start(t, "/", disk)
			defer s.stop()
			for range 20 {
				if err := o.append(s.spool, "a"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
			}
			if err := s.Drain(background); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if disk.flipped == "" { // there are no more, and the last one was merged
				if made = at; made < 5 {
					t.Errorf("%d blocks were made", disk.opened)
				}
				return
			}
			o.check(t, s.Store, "a")
			if st := s.Status(); !strings.Contains(st.LastError, "prove block") || st.ToMerge > 0 {
				t.Errorf("block %d was damaged, and the status is %+v", at, st)
			}
		})
	}
}

// TestProveBuild holds that each difference is seen.
func TestProveBuild(t *testing.T) {
	stats := block.Stats{Added: 8, Spans: 5, Copies: 2, Overflowed: 1, Digest: block.Digest{Spans: 5, Sum: 50, Mixed: 500}}
	report := block.Report{Spans: 5, Digest: stats.Digest}
	if err := proveBuild(stats, report); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*block.Report, *block.Stats){
		"other spans":     func(r *block.Report, _ *block.Stats) { r.Digest.Sum++ },
		"spans exchanged": func(r *block.Report, _ *block.Stats) { r.Digest.Mixed-- },
		"fewer":           func(r *block.Report, _ *block.Stats) { r.Spans-- },
		"one not given":   func(_ *block.Report, s *block.Stats) { s.Added++ },
	} {
		r, s := report, stats
		if change(&r, &s); proveBuild(s, r) == nil {
			t.Errorf("%s: it is taken for proven", name)
		}
	}
}

// TestUnprovenMergeIsNothing gives a source another digest than its spans have:
// what is made of it does not count, and it stays.
func TestUnprovenMergeIsNothing(t *testing.T) {
	o := newOracle(1)
	s, _ := stored(t, o, 3)
	before := s.tenants["a"].blocks
	p := &plan{tenant: "a", sources: slices.Clone(before)}
	before[1].Lineage.Digest.Mixed++
	if _, err := s.mergeBlocks(background, p); err == nil || !strings.Contains(err.Error(), "prove a merge") {
		t.Errorf("it was merged: %v", err)
	}
	if !slices.Equal(s.tenants["a"].blocks, before) {
		t.Error("the sources are not there any more")
	}
	o.check(t, s.Store, "a")
	before[1].Lineage.Digest.Mixed--
	if done, err := s.mergeBlocks(background, p); err != nil || !done {
		t.Error(done, err)
	}
	o.check(t, s.Store, "a")
}

// stored is a store that does not run, with so many blocks of a tenant, and what
// fills a part with new records as the follower does.
func stored(t *testing.T, o *oracle, blocks int) (s *running, fill func() *part) {
	t.Helper()
	sp, store, err := tryOpen("/", crashfs.New())
	if err != nil {
		t.Fatal(err)
	}
	reader := sp.NewReader()
	t.Cleanup(func() { reader.Close(); sp.Close() })
	fill = func() *part {
		t.Helper()
		for range 5 {
			if err := o.append(sp, "a"); err != nil {
				t.Fatal(err)
			}
			e, err := reader.Next(background, nil)
			if err != nil {
				t.Fatal(err)
			}
			store.take(e)
		}
		parts := store.of("a").parts
		p := parts[len(parts)-1]
		store.close(p)
		return p
	}
	for range blocks {
		if err := store.buildPart(background, fill()); err != nil {
			t.Fatal(err)
		}
	}
	return &running{Store: store, spool: sp}, fill
}

// TestViewWhileABlockIsMade holds each View against what it saw first: a block
// comes, is merged, and goes, and no View has a span twice, or loses one.
func TestViewWhileABlockIsMade(t *testing.T) {
	o := newOracle(1)
	s, fill := stored(t, o, 2)
	tidied := func() { // what no View holds back is done
		s.mu.Lock()
		todo := s.chores
		s.chores = nil
		s.mu.Unlock()
		if len(s.do(todo)) > 0 {
			t.Error("what no view holds back cannot be done")
		}
	}
	tidied()
	p := fill()
	look := func(v *View) int {
		t.Helper()
		tidied()
		found, err := readView(s.Store, v)
		if err != nil {
			t.Fatal(err)
		}
		for id := range o.acked["a"] {
			if found[id] != 1 {
				t.Fatalf("span %d is there %d times", id, found[id])
			}
		}
		return len(v.Blocks)
	}
	live := s.View("a")
	if look(live) != 2 {
		t.Errorf("%d blocks", look(live))
	}
	if err := s.buildPart(background, p); err != nil {
		t.Fatal(err)
	}
	look(live) // the records are not released yet
	built := s.View("a")
	if look(built) != 3 {
		t.Errorf("%d blocks", look(built))
	}
	if _, err := s.mergeBlocks(background, &plan{tenant: "a", sources: slices.Clone(s.of("a").blocks)}); err != nil {
		t.Fatal(err)
	}
	merged := s.View("a")
	if look(merged) != 1 {
		t.Errorf("%d blocks", look(merged))
	}
	look(live)
	look(built) // its blocks are still there
	if s.spool.Status().Pending.Records == 0 {
		t.Error("records were released that a View has")
	}
	live.Close()
	built.Close()
	tidied()
	look(merged)
	if n := s.spool.Status().Pending.Records; n != 0 {
		t.Errorf("%d records are not released", n)
	}
	if left, err := s.fs.ReadDir(s.path("a")); err != nil || len(left) != 1 {
		t.Errorf("%d blocks are on the disk: %v", len(left), err)
	}
	merged.Close()
}

// TestMergeHoldsBackNoRelease has a block made while a merge is under way, however
// long that takes: the records of the block leave the spool meanwhile.
func TestMergeHoldsBackNoRelease(t *testing.T) {
	o := newOracle(1)
	s, fill := stored(t, o, 3)
	do := func() {
		s.mu.Lock()
		todo := s.chores
		s.chores = nil
		s.mu.Unlock()
		if len(s.do(todo)) > 0 {
			t.Error("what nobody holds back cannot be done")
		}
	}
	do()
	part := fill()
	merging, goOn, merged := make(chan bool), make(chan bool), make(chan error)
	var first atomic.Bool
	s.fs.(*crashfs.FS).Slow(func(op crashfs.Op) {
		if op.Kind == crashfs.Rename && !first.Swap(true) {
			close(merging)
			<-goOn
		}
	})
	plan := s.plan("a", time.Now().Add(time.Hour))
	go func() {
		_, err := s.mergeBlocks(background, plan)
		merged <- err
	}()
	<-merging
	if err := s.buildPart(background, part); err != nil {
		t.Fatal(err)
	}
	do()
	if n := s.spool.Status().Pending.Records; n != 0 {
		t.Errorf("%d records wait for a merge that has nothing to do with them", n)
	}
	for _, b := range plan.sources {
		if b.users == 0 {
			t.Errorf("block %s is being merged, and nobody holds it", b.Meta.BlockID)
		}
	}
	close(goOn)
	if err := <-merged; err != nil {
		t.Error(err)
	}
	do()
	o.check(t, s.Store, "a")
	if n := s.Status().Blocks; n != 2 {
		t.Errorf("there are %d blocks, want that of the merge and the new one", n)
	}
}
