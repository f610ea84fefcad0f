package blockstore

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
	"appliance/internal/spool"
)

// small makes everything happen soon, and often.
func small(sp *spool.Spool, dir string, fsys durable.FS) Options {
	return Options{Dir: filepath.Join(dir, "blocks"), Spool: sp, CutAfter: 5 * time.Second, CutSpans: 40, MergeAfter: time.Minute, FS: fsys}
}

// running is a store at work. stop ends it in order.
type running struct {
	*Store
	spool *spool.Spool
	stop  func()
}

// tryOpen opens a spool and the store behind it.
func tryOpen(dir string, fsys durable.FS, change ...func(*Options)) (*spool.Spool, *Store, error) {
	sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{FS: fsys, NoSpare: true, SegmentBytes: 16 << 10})
	if err != nil {
		return nil, nil, err
	}
	o := small(sp, dir, fsys)
	for _, c := range change {
		c(&o)
	}
	s, err := Open(background, o)
	if err != nil {
		_ = sp.Close()
		return nil, nil, err
	}
	return sp, s, nil
}

func start(t testing.TB, dir string, fsys durable.FS, change ...func(*Options)) *running {
	t.Helper()
	sp, s, err := tryOpen(dir, fsys, change...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(background)
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return &running{s, sp, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := sp.Close(); err != nil {
			t.Log("close the spool:", err)
		}
	}}
}

// TestEachSpanOnceAllTheWay follows spans from the spool through blocks and
// merges, and reads everything at each moment.
func TestEachSpanOnceAllTheWay(t *testing.T) {
	t.Run("side by side", func(t *testing.T) { eachSpanOnceAllTheWay(t, false) })
	t.Run("alone", func(t *testing.T) { eachSpanOnceAllTheWay(t, true) })
}

func eachSpanOnceAllTheWay(t *testing.T, alone bool) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(1)
		s := start(t, "/", crashfs.New(), func(o *Options) { o.Alone = alone })
		defer s.stop()
		for i := range 400 {
			tenant := []string{"a", "b"}[i%7/6]
			if err := o.append(s.spool, tenant); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // of the bubble's clock
			synctest.Wait()
			if i%10 == 0 {
				o.check(t, s.Store, "a")
				o.check(t, s.Store, "b")
			}
		}
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		o.check(t, s.Store, "a")
		o.check(t, s.Store, "b")
		st := s.Status()
		if st.Merges == 0 || st.LiveSpans != 0 || st.LastError != "" {
			t.Errorf("status is %+v", st)
		}
		// Once nothing comes any more, each trace ends up in one block.
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		o.check(t, s.Store, "a")
		for id, n := range blocksOfTraces(t, s.Store, "a") {
			if n != 1 {
				t.Errorf("trace %x is in %d blocks", id, n)
			}
		}
		for _, b := range s.tenants["a"].blocks {
			if b.Meta.CompactionLevel != 1 {
				t.Errorf("block %s of level %d is left", b.Meta.BlockID, b.Meta.CompactionLevel)
			}
		}
	})
}

// blocksOfTraces counts in how many blocks each trace is.
func blocksOfTraces(t testing.TB, s *Store, tenant string) map[[16]byte]int {
	t.Helper()
	v := s.View(tenant)
	defer v.Close()
	in := map[[16]byte]int{}
	for _, b := range v.Blocks {
		src := s.files(b.Dir)
		defer src.Close()
		r, err := block.Open(background, src, block.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for id, err := range r.IDs(background) {
			if err != nil {
				t.Fatal(err)
			}
			in[id]++
		}
	}
	return in
}
