package blockstore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// Syncs that fail: those of the first blocks.
const failedSyncs, failedDirSyncs = 12, 36

// TestFailedSyncIsNeverBelieved lets one sync of a file or a directory of the
// store fail, which loses what was written though readers still see it, and then
// the power: a sync that is made again and succeeds says nothing.
func TestFailedSyncIsNeverBelieved(t *testing.T) {
	for at := range failedSyncs {
		t.Run(fmt.Sprint("sync ", at+1), func(t *testing.T) { failOneSync(t, crashfs.Sync, at) })
	}
	for at := range failedDirSyncs {
		t.Run(fmt.Sprint("sync of a directory ", at+1), func(t *testing.T) { failOneSync(t, crashfs.SyncDir, at) })
	}
}

// failOneSync lets one sync fail of a kind, by its number.
func failOneSync(t *testing.T, kind crashfs.Kind, at int) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, disk := newOracle(uint64(at)), crashfs.New()
		disk.LoseNames()
		s := start(t, "/", disk)
		seen, failed := 0, ""
		disk.Fail(func(op crashfs.Op) error {
			if op.Kind != kind || !strings.HasPrefix(op.Path, "/blocks/") {
				return nil
			}
			if seen++; seen != at+1 {
				return nil
			}
			failed = op.Path
			return syscall.EIO
		})
		for range 10 {
			if err := o.append(s.spool, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second) // of the bubble's clock
		}
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		s.stop()
		if failed == "" {
			t.Fatalf("there were %d syncs", seen)
		}
		s = start(t, "/", disk.PowerCut(crashfs.Scramble, rand.New(rand.NewPCG(uint64(at), 3))))
		defer s.stop()
		synctest.Wait()
		o.check(t, s.Store, "a")
		if st := s.Status(); st.Unreadable > 0 {
			t.Errorf("after the sync of %s failed %d blocks cannot be read", failed, st.Unreadable)
		}
	})
}
