package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// noVerdicts makes a disk take no verdicts until it is lifted.
func noVerdicts(disk *crashfs.FS) (lift func()) {
	var full atomic.Bool
	full.Store(true)
	disk.Fail(func(op crashfs.Op) error {
		if full.Load() && op.Kind == crashfs.Write && strings.HasSuffix(op.Path, suffix) {
			return fmt.Errorf("write: %w", syscall.ENOSPC)
		}
		return nil
	})
	return func() { full.Store(false) }
}

// TestFullDiskAtTheBound has more traces than may be open come in while verdicts
// cannot be written: some are decided and wait to be written then.
func TestFullDiskAtTheBound(t *testing.T) {
	for _, wait := range []time.Duration{0, 35 * time.Second} { // until they cannot be written
		synctest.Test(t, func(t *testing.T) {
			w := start(t, crashfs.New(), newOutside(), everyday(), func(o *Options) { o.MaxTraces = 20 })
			n := uint64(0)
			send := func() {
				n++
				if err := w.send(sp{trace: n, id: n, name: "GET /ping", failed: n%2 == 0}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(300 * time.Millisecond)
			}
			for range 15 {
				send()
			}
			time.Sleep(wait - 7*time.Second)
			lift := noVerdicts(w.disk)
			for range 60 {
				send()
			}
			lift()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if must, left := w.check(); must != 37 || left != 38 {
				t.Errorf("%d traces were to be kept and %d spans left out, want 37 and 38", must, left)
			}
			if s := w.line.Status(); s.Early < 20 || s.Early > 75 || s.Forgotten == 0 {
				t.Errorf("%d traces were decided early, and %d verdicts forgotten", s.Early, s.Forgotten)
			}
			w.stop()
		})
	}
}

// TestVerdictIsOnAllBeforeIt has the span that decides acknowledged just before
// the verdict, while the line is far behind.
func TestVerdictIsOnAllBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		w.send(sp{trace: 1, id: 10, name: "GET /ping"})
		time.Sleep(29 * time.Second)
		w.pause.Store(int64(500 * time.Millisecond))
		for i := range uint64(60) {
			w.send(sp{trace: 100 + i, id: 1000 + i, name: "work"})
		}
		w.send(sp{trace: 1, id: 11, parent: 10, name: "work", failed: true})
		// And there is always more.
		for i := range uint64(200) {
			w.send(sp{trace: 200 + i, id: 2000 + i, name: "work"})
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if w.got[10].times > 0 {
			t.Error("the line was not behind")
		}
		w.pause.Store(0)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.check()
		if w.got[10].times == 0 || w.got[11].times == 0 {
			t.Error("a failed trace was left out")
		}
		w.stop()
	})
}

// TestVerdictBehindAnUnreadableRecord has the disk not give a record while a
// trace is due of which a span stands behind it.
func TestVerdictBehindAnUnreadableRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		w.send(sp{trace: 1, id: 10, name: "GET /ping"})
		time.Sleep(29900 * time.Millisecond)
		bad := sp{trace: 2, id: 20, name: "work", service: strings.Repeat("x", 777)}
		w.unreadable.Store(int64(len(request(bad))))
		w.send(bad)
		w.send(sp{trace: 1, id: 11, parent: 10, name: "work", failed: true})
		time.Sleep(time.Minute)
		w.unreadable.Store(0)
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.got[10].times == 0 || w.got[11].times == 0 || w.got[20].times == 0 {
			t.Errorf("got %v; trace 1 failed, and trace 2 could not be decided on", w.got)
		}
		w.stop()
	})
}

// TestLateAfterAQuietHour has a span come long after the verdict on its trace
// is too old, and nothing else before it: it is a trace of its own.
func TestLateAfterAQuietHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		w.send(sp{trace: 1, id: 10, name: "GET /ping"}, sp{trace: 2, id: 20, name: "GET /ping"})
		time.Sleep(time.Hour)
		w.send(sp{trace: 1, id: 11, parent: 10, name: "GET /ping"})
		time.Sleep(20 * time.Second)
		w.send(sp{trace: 2, id: 21, parent: 20, name: "GET /ping"}, sp{trace: 1, id: 12, parent: 10, name: "work", failed: true})
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.got[11].times == 0 || w.got[12].times == 0 || len(w.got) != 2 {
			t.Errorf("got %v; want the spans of the trace that failed in its second life", w.got)
		}
		if s := w.line.Status(); s.Forgotten != 0 || s.Late != 0 {
			t.Errorf("%d verdicts were forgotten, %d spans late", s.Forgotten, s.Late)
		}
		w.stop()
	})
}

// TestLateByAMoment has a span come just when the verdict on its trace is too
// old, while others come all the time.
func TestLateByAMoment(t *testing.T) {
	for _, late := range []time.Duration{-20 * time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, crashfs.New(), newOutside(), everyday())
			w.send(sp{trace: 1, id: 10, name: "GET /ping"})
			for i := range uint64(12 * 60) {
				if at := time.Duration(i) * time.Second; at == 10*time.Minute+30*time.Second+late {
					w.send(sp{trace: 1, id: 11, parent: 10, name: "work", failed: late < 0}, sp{trace: 1, id: 12, parent: 10, name: "GET /ping"})
				}
				w.send(sp{trace: 100 + i, id: 1000 + i, name: "GET /ping"})
				time.Sleep(time.Second)
			}
			synctest.Wait()
			s := w.line.Status()
			if want := map[bool]int64{true: 2}[late < 0]; len(w.got) != 0 || s.Forgotten != 0 || s.Late != want {
				t.Errorf("%v late: got %v, %d verdicts were forgotten, %d spans late, want %d", late, w.got, s.Forgotten, s.Late, want)
			}
			w.stop()
		})
	}
}

// TestLateOnAFullDisk has a late span wait for its turn beyond the time for
// which verdicts are remembered.
func TestLateOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		w.send(sp{trace: 1, id: 10, name: "GET /ping"})
		time.Sleep(9 * time.Minute)
		lift := noVerdicts(w.disk)
		w.send(sp{trace: 2, id: 20, name: "work", failed: true})
		time.Sleep(10 * time.Second)
		w.send(sp{trace: 1, id: 11, parent: 10, name: "work", failed: true})
		time.Sleep(10 * time.Minute)
		lift()
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.got[11].times != 0 || w.got[20].times == 0 {
			t.Errorf("got %v; the trace of the late span was left out", w.got)
		}
		w.check()
		if s := w.line.Status(); s.Forgotten != 0 || s.Late != 1 {
			t.Errorf("%d verdicts were forgotten, %d spans late", s.Forgotten, s.Late)
		}
		w.stop()
	})
}

// TestClockWentBack has an earlier run have written its verdicts by a clock that
// was five hours ahead.
func TestClockWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, out := crashfs.New(), newOutside()
		w := start(t, disk, out, everyday())
		w.send(sp{trace: 1, id: 10, name: "GET /ping"})
		time.Sleep(40 * time.Second)
		w.stop()
		disk = disk.Kill()
		ahead(t, disk, 5*time.Hour)
		w = start(t, disk, out, everyday())
		w.send(sp{trace: 2, id: 20, name: "GET /ping"})
		time.Sleep(40 * time.Second)
		w.stop()
		w = start(t, disk.Kill(), out, everyday())
		for trace := range uint64(2) {
			w.send(sp{trace: trace + 1, id: 10*trace + 11, parent: 1, name: "late", failed: true})
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if s := w.line.Status(); len(w.got) != 0 || s.Late != 2 {
			t.Errorf("got %v; both traces were left out, and %d spans were late", w.got, s.Late)
		}
		w.stop()
	})
}

// ahead rewrites all verdicts as a clock would have that is ahead by so much.
func ahead(t *testing.T, disk *crashfs.FS, by time.Duration) {
	t.Helper()
	for _, name := range entries(t, disk) {
		if !strings.HasSuffix(name, suffix) {
			continue
		}
		path := filepath.Join("/tail", name)
		b := []byte(fileMagic)
		if _, _, err := readSegment(disk, path, func(f *frame) {
			f.time += int64(by)
			b = f.append(b)
		}); err != nil {
			t.Fatal(err)
		}
		f, err := disk.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			err = f.WritevAt([][]byte{b}, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReloadTwice has other rules come before all was read again for the first
// ones: what is open is decided when it would have been.
func TestReloadTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		for i := range uint64(20) {
			w.send(sp{trace: i, id: i + 1, name: "work", failed: true})
			time.Sleep(time.Second)
		}
		w.pause.Store(int64(500 * time.Millisecond))
		s := everyday()
		for _, p := range []float64{0.5, 0.75} {
			s.Rules = append(s.Rules[:3:3], Rule{Name: "rest", Keep: Keep{Probability: p}})
			if err := w.line.Reload(s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
		}
		w.pause.Store(0)
		time.Sleep(14500 * time.Millisecond) // 40.5 s after the first
		synctest.Wait()
		if n := len(w.got); n < 9 || n > 11 {
			t.Errorf("%d spans came out after 40 s, want those of the first 10", n)
		}
		w.stop()
	})
}
