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

// TestWhatIsMergedGoesAfterAFault lets one change of a name fail while blocks are
// merged and deleted: in the end the directory has the blocks of the store and
// nothing else, without a restart, and also after one.
func TestWhatIsMergedGoesAfterAFault(t *testing.T) {
	const points = 10 // of each kind
	for _, kind := range []crashfs.Kind{crashfs.Rename, crashfs.Remove, crashfs.SyncDir} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			steps := 0
			synctest.Test(t, func(t *testing.T) { steps = faultAt(t, kind, 0) })
			if steps < points {
				t.Fatalf("there are %d steps", steps)
			}
			for at := 1; at <= steps; at += 1 + steps/points {
				t.Run(fmt.Sprint(at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { faultAt(t, kind, at) })
				})
			}
		})
	}
}

// faultAt lets a step of a kind fail, once blocks are there that are to be merged.
func faultAt(t *testing.T, kind crashfs.Kind, at int) (steps int) {
	o, disk := newOracle(uint64(at)), crashfs.New()
	disk.LoseNames()
	s := start(t, "/", disk)
	for range 20 {
		if err := o.append(s.spool, "a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
	}
	if err := s.Drain(background); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	disk.Fail(func(op crashfs.Op) error {
		if op.Kind != kind || !strings.HasPrefix(op.Path, "/blocks/") {
			return nil
		}
		if steps++; steps != at {
			return nil
		}
		return syscall.EIO
	})
	time.Sleep(10 * time.Minute)
	blocks := s.Status().Blocks
	if first := s.tenants["a"].blocks[0]; !s.Delete("a", first.Meta.BlockID) {
		t.Error("a block that is merged cannot be deleted")
	}
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	disk.Fail(nil)
	look := func(s *running) {
		t.Helper()
		for dir, want := range map[string]int{"a": blocks - 1, stagingName: 0, commitsName: 0} {
			entries, err := s.fs.ReadDir(s.path(dir))
			if err != nil || len(entries) != want {
				t.Errorf("%s has %d entries, want %d: %v", dir, len(entries), want, err)
			}
		}
		if n := s.Status().Blocks; n != blocks-1 {
			t.Errorf("there are %d blocks, want %d", n, blocks-1)
		}
	}
	look(s)
	s.stop()
	after := start(t, "/", disk.PowerCut(crashfs.Scramble, rand.New(rand.NewPCG(uint64(at), 5))))
	defer after.stop()
	synctest.Wait()
	look(after)
	return steps
}
