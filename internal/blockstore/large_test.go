package blockstore

import (
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// endless is a trace that no other record of an oracle has spans of.
const endless = 1 << 40

// TestLargeTrace has one trace in far more blocks than a merge takes, each with as
// much of it as a block takes: it becomes final, and so does what came beside it.
func TestLargeTrace(t *testing.T) {
	for name, most := range map[string]int{"in one block": traceBytes, "in several": 20 * 350} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOracle(1)
				s := runStore(t, crashfs.New())
				defer s.stop()
				s.traceBytes = most
				send := func(n int) {
					t.Helper()
					for range n {
						if err := o.appendTrace(s.spool, "a", endless, 30); err != nil {
							t.Fatal(err)
						}
						if err := o.append(s.spool, "a"); err != nil {
							t.Fatal(err)
						}
						time.Sleep(5 * time.Second)
					}
				}
				send(30)
				if most < traceBytes && s.Status().ToMerge < 10 {
					t.Fatalf("a merge takes four sources, and there is %+v", s.Status())
				}
				send(60)
				synctest.Wait()
				if st := s.Status(); st.ToMerge > 40 {
					t.Errorf("while the trace goes on %d blocks of %d wait to be merged", st.ToMerge, st.Blocks)
				}
				o.check(t, s.Store, "a")
				if err := s.Drain(background); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				o.check(t, s.Store, "a")
				if st := s.Status(); st.ToMerge != 0 || st.LastError != "" {
					t.Errorf("long after the trace ended the status is %+v", st)
				}
				for _, b := range s.tenants["a"].blocks {
					if !s.Final("a", b.Meta.BlockID, time.Minute) {
						t.Errorf("block %s of level %d is not final", b.Meta.BlockID, b.Meta.CompactionLevel)
					}
				}
			})
		})
	}
}

// TestHugeTraceIsSortedTwice has a trace of many times what a block takes: what a
// block cannot have of it goes into others without passing through all of them.
func TestHugeTraceIsSortedTwice(t *testing.T) {
	sp, s, err := tryOpen("/", crashfs.New())
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	s.traceBytes = 4 << 20
	const spans = 80_000
	rec, _ := newOracle(1).spans("a", spans, func(uint64) uint64 { return endless })
	w, err := s.newWriter("a", levelCut, false)
	if err != nil {
		t.Fatal(err)
	}
	defer w.discard()
	if err := w.add(rec.Payload); err != nil {
		t.Fatal(err)
	}
	made, err := w.finish(background, Lineage{})
	if err != nil {
		t.Fatal(err)
	}
	sorted, kept := int64(0), int64(0)
	for _, m := range made {
		sorted += m.stats.Added
		kept += m.stats.Spans
	}
	if len(made) < 8 || kept != spans || sorted > 2*spans {
		t.Errorf("of %d spans %d are in %d blocks, and %d were sorted for them", spans, kept, len(made), sorted)
	}
}

// TestEndlessTrace has a trace that never pauses, and is small enough for one
// block: what of it is old is final all the same, and is not written again.
func TestEndlessTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(1)
		s := start(t, "/", crashfs.New())
		defer s.stop()
		for range 240 {
			if err := o.appendTrace(s.spool, "a", endless, 1); err != nil {
				t.Fatal(err)
			}
			if err := o.append(s.spool, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
		}
		synctest.Wait()
		o.check(t, s.Store, "a")
		final := 0
		for _, b := range s.tenants["a"].blocks {
			if !b.merged() {
				since := b.Lineage.Waits
				if since.IsZero() {
					since = b.cut()
				}
				if age := time.Since(since); age > (waitsMost+4)*s.opt.MergeAfter {
					t.Errorf("a block of %d spans has waited for %s", b.Lineage.Spans, age)
				}
				continue
			}
			count := func(data []byte) error { final += spansOf(t, data, endless); return nil }
			if err := readBlock(s.Store, b, count); err != nil {
				t.Fatal(err)
			}
		}
		// Two hours, of which the trace waits for twelve minutes, and before and after for a merge.
		if final < 200 {
			t.Errorf("of 240 spans of a trace that goes on %d are final", final)
		}
		if st := s.Status(); st.LastError != "" {
			t.Errorf("the status is %+v", st)
		}
	})
}
