package blockstore

import (
	"fmt"
	"path"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// TestStopBeforeBlocksArePlaced ends a run while the disk does not let it carry out
// a commit, or withdraw one whose sync failed: the next start finds all that the
// commit names. What is made is a block of the spool, or a merge.
func TestStopBeforeBlocksArePlaced(t *testing.T) {
	isCommit := func(op crashfs.Op) bool {
		dir := "/blocks/" + commitsName
		return op.Kind == crashfs.SyncDir && op.Path == dir || op.Kind == crashfs.Remove && path.Dir(op.Path) == dir
	}
	for name, fails := range map[string]func(crashfs.Op) bool{
		"not placed": func(op crashfs.Op) bool {
			return op.Kind == crashfs.Rename && path.Dir(path.Dir(path.Dir(op.Path))) == "/blocks/"+stagingName
		},
		"not withdrawn": isCommit,
	} {
		for _, merge := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", merge: ", merge), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o, disk := newOracle(1), crashfs.New()
					s := start(t, "/", disk)
					full := func() {
						disk.Fail(func(op crashfs.Op) error {
							if fails(op) {
								return syscall.ENOSPC
							}
							return nil
						})
					}
					if !merge {
						full()
					}
					for range 10 {
						if err := o.append(s.spool, "a"); err != nil {
							t.Fatal(err)
						}
						time.Sleep(3 * time.Second)
					}
					if merge {
						if err := s.Drain(background); err != nil {
							t.Fatal(err)
						}
						full()
						time.Sleep(3 * time.Minute)
					}
					synctest.Wait()
					if st := s.Status(); st.LastError == "" || st.Blocks > 0 != merge || st.Merges > 0 {
						t.Errorf("before the stop the status is %+v", st)
					}
					s.stop()
					disk.Fail(nil)
					s = start(t, "/", disk)
					defer s.stop()
					synctest.Wait()
					o.check(t, s.Store, "a")
					if err := s.Drain(background); err != nil {
						t.Fatal(err)
					}
					time.Sleep(5 * time.Minute)
					synctest.Wait()
					o.check(t, s.Store, "a")
					if st := s.Status(); st.ToMerge > 0 || st.LastError != "" {
						t.Errorf("in the end the status is %+v", st)
					}
					if left, err := s.fs.ReadDir(s.path(stagingName)); err != nil || len(left) > 0 {
						t.Errorf("in staging are %v, %v", left, err)
					}
				})
			})
		}
	}
}

// A block of a commit that somebody has moved away is not passed over: the error says
// where it is missed, and what to do.
func TestBlockOfACommitIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "/", crashfs.New())
		defer s.stop()
		err := s.placeOutputs(&commit{Tenant: "a", Outputs: []string{"b"}, path: s.path(commitsName, "c.json")})
		for _, part := range []string{s.path("a", "b"), s.path(stagingName, "b", "a", "b"), s.path(commitsName, "c.json"), "put it back"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%v, want it to name %s", err, part)
			}
		}
	})
}
