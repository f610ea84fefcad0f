package blockstore

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// TestRoomForLiveRecords has more records than may be live, of tenants none of
// which has enough for a block, and long before one is due: they are stored all the
// same, in blocks of some size.
func TestRoomForLiveRecords(t *testing.T) {
	for name, drain := range map[string]bool{"at work": false, "at a stop": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOracle(1)
				sp, s, err := tryOpen("/", crashfs.New(), func(o *Options) { o.CutAfter, o.CutSpans, o.MergeAfter = 1000*time.Hour, 1000, 1000*time.Hour })
				if err != nil {
					t.Fatal(err)
				}
				const most, tenants, each = 60, 3, 100
				s.maxLive = most * 44 // bytes of a record with one trace
				tenant := func(i int) string { return fmt.Sprint("tenant ", i%tenants) }
				for i := range tenants * each {
					if err := o.append(sp, tenant(i)); err != nil {
						t.Fatal(err)
					}
				}
				r := run(s, sp)
				defer r.stop()
				if drain {
					soon := time.Now().Add(time.Hour)
					if err := s.Drain(background); err != nil || time.Now().After(soon) {
						t.Errorf("the drain ended after %s: %v", time.Since(soon.Add(-time.Hour)), err)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				for i := range tenants {
					o.check(t, s, tenant(i))
				}
				// A third of what may be live is closed at a time.
				left, st := sp.Status().Pending.Records, s.Status()
				if left >= most || drain && left > 0 || st.Blocks > tenants*each/(most/tenants)+tenants {
					t.Errorf("%d records are in no block, and the status is %+v", left, st)
				}
			})
		})
	}
}

// TestMemoryOfLiveRecords has records of many traces each, while no block can be
// made: what is known of them has a bound, whatever the number of traces.
func TestMemoryOfLiveRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, disk := newOracle(1), crashfs.New()
		sp, s, err := tryOpen("/", disk, func(o *Options) { o.CutSpans = 1000 })
		if err != nil {
			t.Fatal(err)
		}
		const most, traces, record = 20_000, 100, 40 + 100*4
		s.maxLive = most
		disk.Fail(func(op crashfs.Op) error {
			if strings.HasPrefix(op.Path, "/blocks/") {
				return syscall.EIO
			}
			return nil
		})
		r := run(s, sp)
		defer r.stop()
		for range 300 {
			rec, ids := o.spans("a", traces, func(id uint64) uint64 { return id })
			if err := o.give(sp, rec, ids); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		live := int64(0)
		for _, p := range s.tenants["a"].parts {
			live += p.Size().Memory
		}
		if live != s.live || live < most || live > most+record {
			t.Errorf("what is live takes %d bytes, counted as %d, and may take %d", live, s.live, most)
		}
		disk.Fail(nil)
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		o.check(t, s, "a")
		if s.live != 0 {
			t.Errorf("nothing is live, and it takes %d bytes", s.live)
		}
	})
}
