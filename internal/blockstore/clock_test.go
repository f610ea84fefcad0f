package blockstore

import (
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// TestBlocksFromTheFuture has blocks, some of them merged, that were cut while the
// clock was a year ahead: once it is right they are merged and final as soon as
// any, also while others come.
func TestBlocksFromTheFuture(t *testing.T) {
	o, disk := newOracle(1), crashfs.New()
	live := func(t *testing.T, s *running) {
		for range 60 {
			if err := o.append(s.spool, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(365 * 24 * time.Hour)
		s := start(t, "/", disk)
		defer s.stop()
		live(t, s)
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		if st := s.Status(); st.ToMerge == 0 || st.Merges == 0 {
			t.Errorf("before the clock is set the status is %+v", st)
		}
	})
	synctest.Test(t, func(t *testing.T) { // whose clock begins where the other one's did
		s := start(t, "/", disk)
		defer s.stop()
		live(t, s)
		o.check(t, s.Store, "a")
		now := time.Now()
		for _, b := range s.tenants["a"].blocks {
			if !b.merged() && b.cut().After(now) || b.merged() && !s.Final("a", b.Meta.BlockID, 0) {
				t.Errorf("block %s of level %d was cut at %s, and is not final at %s", b.Meta.BlockID, b.Meta.CompactionLevel, b.cut(), now)
			}
		}
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		o.check(t, s.Store, "a")
		if st := s.Status(); st.ToMerge != 0 || st.LastError != "" {
			t.Errorf("in the end the status is %+v", st)
		}
	})
}

// TestFinalStaysFinal sets the clock back after a block was final: whoever copies it
// would take it for gone.
func TestFinalStaysFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(1)
		sp, s, err := tryOpen("/", crashfs.New())
		if err != nil {
			t.Fatal(err)
		}
		back := time.Duration(0)
		s.wall = func() time.Time { return time.Now().Add(-back) }
		r := run(s, sp)
		defer r.stop()
		if err := o.append(sp, "a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		b := s.tenants["a"].blocks[0]
		id, age := b.Meta.BlockID, time.Since(b.cut())
		if s.Final("a", id, age+time.Second) || !s.Final("a", id, age) {
			t.Errorf("a block of %s is final before or not after", age)
		}
		back = time.Minute
		if !s.Final("a", id, age) {
			t.Error("a block that was final is not any more")
		}
	})
}
