package blockstore

import (
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// TestReleaseIsTriedAgain has a record whose header the disk does not give at the
// moment in which it is to be released: that keeps no other record, and its segment
// goes once the disk gives it.
func TestReleaseIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, bad := newOracle(1), &unread{FS: crashfs.New()}
		s := start(t, "/", bad, slowly)
		defer s.stop()
		at, _ := sealed(t, o, s.spool)
		synctest.Wait()
		v := s.View("a") // holds back the release
		time.Sleep(time.Minute)
		if st := s.Status(); st.Blocks == 0 || s.spool.Status().Pending.Records != int64(len(at)) {
			t.Errorf("with a view of all that is live, the status is %+v", st)
		}
		bad.fail(t, s.spool, at[20], header)
		v.Close()
		time.Sleep(time.Minute)
		if n := s.spool.Status().Pending.Records; n != 1 {
			t.Errorf("one record cannot be read, and %d are not released", n)
		}
		bad.heal()
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := s.spool.Status(); st.Pending.Records != 0 || len(st.Segments) > 1 {
			t.Errorf("%d records and %d segments are left", st.Pending.Records, len(st.Segments))
		}
		o.check(t, s.Store, "a")
	})
}
