package blockstore

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable/crashfs"
	"appliance/internal/wallclock"
)

// The age of a block of our own counts from when its youngest record came: spans
// of a client whose clock is ahead do not keep it until then, and those of hours
// ago do not have it deleted as it comes.
func TestAgeOfABlock(t *testing.T) {
	cut := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, end := range []time.Time{time.Unix(0, 0), cut, time.Date(2554, 7, 21, 0, 0, 0, 0, time.UTC)} {
		ours := &Block{Meta: block.Meta{EndTime: end}, Lineage: &Lineage{Cut: cut}}
		if got := ours.newest(); !got.Equal(cut) {
			t.Errorf("one of ours that ends %s is of %s", end, got)
		}
		if got := (&Block{Meta: block.Meta{EndTime: end}}).newest(); !got.Equal(end) {
			t.Errorf("one of a Tempo that ends %s is of %s", end, got)
		}
	}
}

// TestRetentionDoubtsTheClock sets the clock a year ahead for less than the trial,
// in the run or before it: no block goes. One that is believed deletes all that is
// old.
func TestRetentionDoubtsTheClock(t *testing.T) {
	for name, atStart := range map[string]bool{"in the run": false, "before the start": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, disk := newOracle(1), crashfs.New()
				keep := func(o *Options) { o.Retention = 24 * time.Hour }
				var ahead atomic.Int64
				begin := func() *running {
					sp, s, err := tryOpen("/", disk, keep)
					if err != nil {
						t.Fatal(err)
					}
					s.wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
					return run(s, sp)
				}
				s := begin()
				for range 20 {
					if err := o.append(s.spool, "a"); err != nil {
						t.Fatal(err)
					}
					time.Sleep(3 * time.Second)
				}
				time.Sleep(12 * time.Hour)
				if atStart {
					s.stop()
					ahead.Store(int64(365 * 24 * time.Hour))
					s = begin()
				}
				defer s.stop()
				ahead.Store(int64(365 * 24 * time.Hour))
				time.Sleep(wallclock.Trial - time.Minute)
				synctest.Wait()
				if n := s.Status().Deleted; n > 0 {
					t.Errorf("%d blocks were deleted by a clock that is on trial", n)
				}
				ahead.Store(0)
				time.Sleep(2 * wallclock.Trial)
				synctest.Wait()
				o.check(t, s.Store, "a")
				time.Sleep(11 * time.Hour)
				synctest.Wait()
				if st := s.Status(); st.Blocks > 0 || st.Deleted == 0 {
					t.Errorf("after more than a day the status is %+v", st)
				}
			})
		})
	}
}

// TestClockJumpsBetweenTwoLooks sets the clock ahead at each of some of the moments
// at which retention reads it, after it was trusted for long: no block goes.
func TestClockJumpsBetweenTwoLooks(t *testing.T) {
	for at := range int64(4) {
		synctest.Test(t, func(t *testing.T) {
			o := newOracle(1)
			sp, s, err := tryOpen("/", crashfs.New(), func(o *Options) { o.Retention = 24 * time.Hour })
			if err != nil {
				t.Fatal(err)
			}
			var reads, jump atomic.Int64
			s.wall = func() time.Time {
				if n := reads.Add(1); jump.Load() > 0 && n >= jump.Load() {
					return time.Now().Add(365 * 24 * time.Hour)
				}
				return time.Now()
			}
			r := run(s, sp)
			defer r.stop()
			if err := o.append(sp, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * wallclock.Trial)
			synctest.Wait()
			jump.Store(reads.Load() + 1 + at)
			time.Sleep(wallclock.Trial / 2)
			synctest.Wait()
			if st := s.Status(); st.Deleted > 0 || st.Blocks == 0 {
				t.Errorf("the clock jumps at read %d, and the status is %+v", at, st)
			}
		})
	}
}

// TestRetentionOfBlocksFromTheFuture has blocks that were cut and merged while the
// clock was a year ahead: once it is right they are kept for the retention from
// then on, and no longer.
func TestRetentionOfBlocksFromTheFuture(t *testing.T) {
	o, disk := newOracle(1), crashfs.New()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(365 * 24 * time.Hour)
		s := start(t, "/", disk)
		defer s.stop()
		if err := o.append(s.spool, "a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if st := s.Status(); st.Blocks != 1 || st.ToMerge != 0 {
			t.Errorf("before the clock is set the status is %+v", st)
		}
	})
	synctest.Test(t, func(t *testing.T) { // whose clock begins where the other one's did
		s := start(t, "/", disk, func(o *Options) { o.Retention = 24 * time.Hour })
		defer s.stop()
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		o.check(t, s.Store, "a")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if st := s.Status(); st.Blocks != 0 || st.Deleted != 1 {
			t.Errorf("after more than a day the status is %+v", st)
		}
	})
}
