package blockstore

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
	"appliance/internal/spool"
)

// fewSources is so little memory that a merge takes four sources.
const fewSources = 4*sourceLeast + 1<<19

// runStore is a store at work whose merges take few sources.
func runStore(t *testing.T, disk durable.FS) (r *running) {
	t.Helper()
	sp, s, err := tryOpen("/", disk)
	if err != nil {
		t.Fatal(err)
	}
	s.mergeMemory = fewSources
	return run(s, sp)
}

// run lets a store work.
func run(s *Store, sp *spool.Spool) *running {
	ctx, cancel := context.WithCancel(background)
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return &running{s, sp, func() {
		cancel()
		<-done
		_ = sp.Close() // fails where the machine has crashed
	}}
}

// TestMergedTwice lets more come than one merge may take: what it leaves is
// merged once more, and no span a third time. Only what stays is final, and it
// says which blocks it was made of.
func TestMergedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(1)
		s := runStore(t, crashfs.New())
		defer s.stop()
		again, merged := map[string]bool{}, map[string][]string{}
		look := func() {
			synctest.Wait()
			v := s.View("a")
			defer v.Close()
			for _, b := range v.Blocks {
				id := b.Meta.BlockID
				if b.Lineage.Again {
					again[id] = true
				}
				merged[id] = b.Lineage.Merged
				if stays := b.Meta.CompactionLevel > levelCut && !b.Lineage.Again; s.Final("a", id, 0) != stays || Final(s.fs, b.Dir, 0) != stays {
					t.Errorf("block %s of level %d, to be merged again: %t, is final: %t", id, b.Meta.CompactionLevel, b.Lineage.Again, !stays)
				}
			}
		}
		for range 300 {
			if err := o.append(s.spool, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			look()
		}
		if err := s.Drain(background); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			time.Sleep(10 * time.Second)
			look()
		}
		o.check(t, s.Store, "a")
		st := s.Status()
		if st.ToMerge != 0 || st.LastError != "" {
			t.Errorf("in the end the status is %+v", st)
		}
		twice, seen := 0, 0
		for _, b := range s.tenants["a"].blocks {
			if b.Meta.CompactionLevel != levelTwice {
				continue
			}
			twice++
			for _, id := range b.Lineage.Merged {
				of, known := merged[id]
				if !known {
					continue // it was there for less than a second
				}
				seen++
				if !again[id] {
					t.Errorf("block %s was merged again, and had not said so", id)
				}
				for _, id := range of {
					if again[id] {
						t.Errorf("what was in block %s was merged three times", id)
					}
				}
			}
		}
		// A minute has twelve blocks, and a merge takes four.
		if twice < 4 || seen < 4 || st.Blocks > 8 {
			t.Errorf("%d blocks are left, %d of them merged twice, of %d that were seen", st.Blocks, twice, seen)
		}
	})
}

// TestCrashAtSecondMerge ends the machine or the process at each step of the
// second merge, from its first file to the deletion of its sources.
func TestCrashAtSecondMerge(t *testing.T) {
	for name, end := range crashes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := 0, 0 // steps of a life without a crash
			synctest.Test(t, func(t *testing.T) { from, to = upToSecondMerge(t, newOracle(3), crashfs.New(), 0) })
			if to-from < 10 {
				t.Fatalf("the second merge was from step %d to %d", from, to)
			}
			for at := from; at <= to; at += 1 + (to-from)/crashPoints {
				synctest.Test(t, func(t *testing.T) {
					o, rng := newOracle(3), rand.New(rand.NewPCG(uint64(at), 2))
					disk := crashfs.New()
					upToSecondMerge(t, o, disk, at)
					disk = end(disk, rng)
					s := runStore(t, disk)
					defer s.stop()
					synctest.Wait()
					o.check(t, s.Store, "a")
					if err := s.Drain(background); err != nil {
						t.Fatal(err)
					}
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					o.check(t, s.Store, "a")
					if st := s.Status(); st.ToMerge != 0 || st.Unreadable != 0 {
						t.Errorf("a crash at step %d of %d to %d: in the end the status is %+v", at, from, to, st)
					}
					noCommits(t, disk)
				})
			}
		})
	}
}

// TestQueryOverTwoMerges has a query that reads from before the first merge until
// after the second. So the files of the first one's sources are there when what it
// made goes, and the life ends then.
func TestQueryOverTwoMerges(t *testing.T) {
	for name, end := range crashes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, rng, disk := newOracle(3), rand.New(rand.NewPCG(3, 2)), crashfs.New()
				s := runStore(t, disk)
				defer s.stop()
				var query *View
				for second := range 80 {
					if err := o.append(s.spool, "a"); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					if second == 20 {
						query = s.View("a")
						if len(query.Blocks) == 0 {
							t.Fatal("there is no block before the first merge")
						}
						defer query.Close()
					}
				}
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				if st := s.Status(); st.ToMerge != 0 || st.LastError != "" {
					t.Fatalf("before the end the status is %+v", st)
				}
				left, err := readCommits(disk, "/blocks/"+commitsName)
				if err != nil || len(left) == 0 {
					t.Fatalf("the query holds back %d commits: %v", len(left), err)
				}

				after := runStore(t, end(disk, rng))
				defer after.stop()
				synctest.Wait()
				o.check(t, after.Store, "a")
				if err := after.Drain(background); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				o.check(t, after.Store, "a")
				if st := after.Status(); st.ToMerge != 0 || st.Unreadable != 0 {
					t.Errorf("in the end the status is %+v", st)
				}
				if left, err := readCommits(after.fs, "/blocks/"+commitsName); err != nil || len(left) != 0 {
					t.Errorf("%d commits are left: %v", len(left), err)
				}
			})
		})
	}
}

// upToSecondMerge runs a store until it has merged blocks twice, or up to a step
// of its disk. It returns at which steps the second merge began and ended.
func upToSecondMerge(t *testing.T, o *oracle, disk *crashfs.FS, crashAt int) (from, to int) {
	t.Helper()
	disk.CrashAt(crashAt)
	s := runStore(t, disk)
	defer s.stop()
	for range 80 {
		if o.append(s.spool, "a") != nil {
			return 0, 0
		}
		time.Sleep(time.Second)
	}
	if s.Drain(background) != nil {
		return 0, 0
	}
	for range 600 {
		steps := disk.Steps()
		time.Sleep(time.Second)
		synctest.Wait()
		for _, b := range s.tenants["a"].blocks {
			if b.Meta.CompactionLevel == levelTwice {
				return from, disk.Steps()
			}
		}
		if disk.Steps() > steps {
			from = steps
		}
		if crashAt > 0 && disk.Steps() >= crashAt {
			return 0, 0
		}
	}
	if crashAt == 0 {
		t.Fatal("nothing was merged twice")
	}
	return 0, 0
}
