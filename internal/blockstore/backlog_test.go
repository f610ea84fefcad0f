package blockstore

import (
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// handles counts the data files that are open at the same time.
type handles struct {
	durable.FS
	mu        sync.Mutex
	now, most int
}

func (h *handles) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := h.FS.OpenFile(name, flag, perm)
	if err != nil || filepath.Base(name) != block.DataName {
		return f, err
	}
	h.count(1)
	return &handle{File: f, of: h}, nil
}

func (h *handles) count(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now += n
	h.most = max(h.most, h.now)
}

type handle struct {
	durable.File
	of *handles
}

func (h *handle) Close() error {
	h.of.count(-1)
	return h.File.Close()
}

// TestBacklogOfBlocks has hundreds of blocks to be merged, as after a day in which
// merges failed: each merge opens those of its time alone.
func TestBacklogOfBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, disk := newOracle(1), &handles{FS: crashfs.New()}
		s := start(t, "/", disk, func(o *Options) { o.MergeAfter = 1000 * time.Hour })
		for range 400 {
			if err := o.append(s.spool, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		s.stop()
		backlog := s.Status().Blocks
		if backlog < 200 {
			t.Fatalf("there are %d blocks", backlog)
		}
		disk.most = 0
		s = runStore(t, disk)
		defer s.stop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		// Four sources, what was cut in the minute after, and what is being made.
		if disk.now != 0 || disk.most > 4+60/5+4 {
			t.Errorf("of %d blocks %d were open at the same time, and %d are", backlog, disk.most, disk.now)
		}
		o.check(t, s.Store, "a")
		if st := s.Status(); st.ToMerge != 0 || st.LastError != "" {
			t.Errorf("in the end the status is %+v", st)
		}
	})
}

// TestBacklogHoldsUpNoOtherTenant has a tenant with many blocks to be merged, by a
// disk that is slow: another one's blocks are merged meanwhile.
func TestBacklogHoldsUpNoOtherTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, disk := newOracle(1), crashfs.New()
		s := start(t, "/", disk, func(o *Options) { o.MergeAfter = 1000 * time.Hour })
		for range 100 {
			for _, tenant := range []string{"a", "b"} {
				if err := o.append(s.spool, tenant); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		s.stop()
		disk.Slow(func(op crashfs.Op) {
			if op.Kind == crashfs.Rename {
				time.Sleep(time.Second)
			}
		})
		s = runStore(t, disk)
		defer s.stop()
		toMerge := func(tenant string) (n int) {
			v := s.View(tenant)
			defer v.Close()
			for _, b := range v.Blocks {
				if b.Meta.CompactionLevel == levelCut {
					n++
				}
			}
			return n
		}
		synctest.Wait()
		backlog := toMerge("b")
		for toMerge("b") == backlog {
			time.Sleep(time.Second)
		}
		if n := toMerge("a"); n < backlog/2 {
			t.Errorf("of some %d blocks of each tenant, one had %d left to be merged when the other's turn came", backlog, n)
		}
	})
}
