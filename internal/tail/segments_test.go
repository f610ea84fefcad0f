package tail

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
	"appliance/internal/spool"
)

// TestEachSegmentHasItsOwnOutcomes has records at the end of a segment come to
// whoever decides on the next segment, since nobody decided on them.
func TestEachSegmentHasItsOwnOutcomes(t *testing.T) {
	for name, spoil := range map[string]struct {
		before func(w *world, bad sp)
		after  func(w *world, segment string)
	}{
		"a record that cannot be read for a while": {
			before: func(w *world, bad sp) { w.unreadable.Store(int64(len(request(bad)))) },
			after:  func(w *world, _ string) { w.unreadable.Store(0) },
		},
		"a segment that somebody deleted": {
			before: func(*world, sp) {},
			after: func(w *world, segment string) {
				names, err := w.disk.ReadDir("/spool")
				if err != nil {
					w.t.Fatal(err)
				}
				for _, e := range names {
					if strings.HasPrefix(e.Name(), segment) {
						if err := w.disk.Remove(filepath.Join("/spool", e.Name())); err != nil {
							w.t.Fatal(err)
						}
					}
				}
				w.sp.Look()
				if _, ok := w.sp.SegmentName(1); ok {
					w.t.Fatalf("segment %s is still there, of %v", segment, names)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, crashfs.New(), newOutside(), everyday())
				id := uint64(0)
				send := func(name string, bytes int) (sp, spool.Position) {
					id++
					s := sp{trace: id, id: id, name: name, service: strings.Repeat("x", bytes)}
					at, err := w.sp.Append(record(s))
					if err != nil {
						t.Fatal(err)
					}
					return s, at
				}
				_, first := send("GET /ping", 10_000)
				time.Sleep(20 * time.Second)
				spoil.before(w, sp{name: "work", service: strings.Repeat("x", 4000)})
				bad, last := send("work", 4000)
				var second []uint64
				for _, bytes := range []int{6000, 10, 20, 30} {
					s, at := send("GET /ping", bytes)
					if last.Segment != first.Segment || at.Segment == first.Segment || at.Offset >= last.Offset {
						t.Fatalf("records are at %v, %v and %v", first, last, at)
					}
					second = append(second, s.id)
				}
				time.Sleep(20 * time.Second) // the first is decided
				segment, _ := w.sp.SegmentName(first.Segment)
				spoil.after(w, segment)
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, id := range second {
					if w.got[id].times > 0 {
						t.Errorf("span %d came out, and the rules leave it out", id)
					}
				}
				if w.got[bad.id].times == 0 {
					t.Error("the record that nobody decided on did not come out")
				}
				if n := w.sp.Status().Sifted.Rules["health"]; n != 5 {
					t.Errorf("%d spans are counted as left out, want 5", n)
				}
				w.stop()
			})
		})
	}
}

// TestVerdictsStayWithTheirSegments has a spool that cannot note what has left it,
// for longer than verdicts are remembered. The segments are there after a kill, and
// what was left out of them does not come back.
func TestVerdictsStayWithTheirSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, out := crashfs.New(), newOutside()
		w := start(t, disk, out, everyday())
		disk.Fail(func(op crashfs.Op) error {
			if strings.HasPrefix(op.Path, "/spool/state") {
				return syscall.EIO
			}
			return nil
		})
		for i := range uint64(400) {
			if err := w.send(sp{trace: i, id: i + 1, name: "GET /ping", service: strings.Repeat("x", 300)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Minute)
		w.send(sp{trace: 1000, id: 1001, name: "GET /ping"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.sp.Status().Pending.Records; n != 0 {
			t.Errorf("%d records are pending before the kill", n)
		}
		killed := disk.Kill()
		w.stop()
		w = start(t, killed, out, everyday())
		time.Sleep(time.Minute)
		synctest.Wait()
		w.stop()
		if n := len(w.got); n > 0 {
			t.Errorf("%d spans that were left out came back", n)
		}
		if st := w.sp.Status(); st.Pending.Records != 0 || st.Sifted.Rules["health"] != 401 {
			t.Errorf("of 401 spans %d are counted as left out, and %d records are pending", st.Sifted.Rules["health"], st.Pending.Records)
		}
	})
}

// failedSync is a life in which one step of a kind fails in the directory of verdicts,
// where a sync that fails loses the names that are new, and then the power: a sync
// that succeeds after says nothing. It returns the next life, and false if there are
// fewer steps.
func failedSync(t *testing.T, out *outside, kind crashfs.Kind, at int, live func(w *world)) (w *world, ok bool) {
	t.Helper()
	disk := crashfs.New()
	disk.LoseNames()
	w = start(t, disk, out, everyday())
	syncs := 0
	disk.Fail(func(op crashfs.Op) error {
		if op.Kind == kind && strings.HasPrefix(op.Path, "/tail") {
			if syncs++; syncs == at {
				return syscall.EIO
			}
		}
		return nil
	})
	live(w)
	synctest.Wait()
	cut := disk.PowerCut(crashfs.LoseAll, rand.New(rand.NewPCG(1, 1)))
	w.stop()
	w = start(t, cut, out, everyday())
	time.Sleep(time.Minute)
	synctest.Wait()
	return w, syncs >= at
}

// TestFailedSyncIsNeverBelieved has files of verdicts whose names are not on the
// disk though it said so later.
func TestFailedSyncIsNeverBelieved(t *testing.T) {
	for at, more := 1, true; more; at++ {
		synctest.Test(t, func(t *testing.T) {
			out, m := newOutside(), newTraffic(uint64(at))
			var w *world
			w, more = failedSync(t, out, crashfs.SyncDir, at, func(w *world) {
				for range 60 {
					if err := w.send(m.some()...); err != nil {
						t.Fatal(err)
					}
					time.Sleep(1300 * time.Millisecond)
				}
			})
			w.check()
			w.stop()
			if at == 1 && !more {
				t.Error("nothing was synced")
			}
		})
	}
}

// TestCountsSurviveAFailedStep has the files of verdicts removed, and their sums
// written, while a change of a name fails, or its sync.
func TestCountsSurviveAFailedStep(t *testing.T) {
	const spans = 100
	for kind, least := range map[crashfs.Kind]int{crashfs.SyncDir: 5, crashfs.Remove: 2, crashfs.Rename: 2} {
		for at, more := 1, true; more; at++ {
			synctest.Test(t, func(t *testing.T) {
				ping := func(w *world, i uint64) {
					if err := w.send(sp{trace: i, id: i + 1, name: "GET /ping", service: strings.Repeat("x", 300)}); err != nil {
						t.Fatal(err)
					}
				}
				var w *world
				w, more = failedSync(t, newOutside(), kind, at, func(w *world) {
					for i := range uint64(spans) {
						ping(w, i)
					}
					for i := range uint64(2) {
						time.Sleep(15 * time.Minute)
						ping(w, spans+i)
					}
					time.Sleep(time.Minute)
				})
				if n := w.sp.Status().Sifted.Rules["health"]; n != spans+2 {
					t.Errorf("%s %d: %d spans are counted as left out, want %d", kind, at, n, spans+2)
				}
				w.stop()
				if at == least && !more {
					t.Errorf("%s: there are fewer than %d steps", kind, at)
				}
			})
		}
	}
}
