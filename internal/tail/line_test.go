package tail

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

func TestEveryday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		m := &traffic{Rand: rand.New(rand.NewPCG(1, 1))}
		for range 300 {
			if err := w.send(m.some()...); err != nil {
				t.Fatal(err)
			}
			time.Sleep(700 * time.Millisecond)
		}
		if u := w.sp.Status().Undecided; u.Records < 40 || u.Records > 46 {
			t.Errorf("%d records are undecided, want those of the last 30 s", u.Records)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if must, left := w.check(); must < 100 || left < 100 {
			t.Errorf("%d traces were to be kept and %d spans left out; too few to mean anything", must, left)
		}
		if u := w.sp.Status().Undecided; u.Records != 0 {
			t.Errorf("%d records are undecided after the wait", u.Records)
		}
		w.stop()
	})
}

const crashPoints = 100 // of kills, each with two of them; a quarter of it power cuts

// TestCrash ends the process or the machine at one step after the other, twice
// in a row, and then compares all that came out with the rules.
func TestCrash(t *testing.T) {
	for name, end := range map[string]func(*crashfs.FS, *rand.Rand) *crashfs.FS{
		"kill":      func(f *crashfs.FS, _ *rand.Rand) *crashfs.FS { return f.Kill() },
		"power cut": func(f *crashfs.FS, r *rand.Rand) *crashfs.FS { return f.PowerCut(crashfs.Scramble, r) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := 0 // of a life without a crash
			synctest.Test(t, func(t *testing.T) { steps = oneLife(t, newOutside(), newTraffic(1), crashfs.New(), 0) })
			points := crashPoints
			if name == "power cut" {
				points /= 4
			}
			for i := range points {
				synctest.Test(t, func(t *testing.T) {
					out, m, rng := newOutside(), newTraffic(uint64(i)), rand.New(rand.NewPCG(uint64(i), 2))
					disk := crashfs.New()
					oneLife(t, out, m, disk, 1+(steps-1)*i/(points-1))
					disk = end(disk, rng)
					// and once more, in what it mends
					oneLife(t, out, m, disk, disk.Steps()+1+rng.IntN(steps))
					disk = end(disk, rng)
					w := start(t, disk, out, everyday())
					time.Sleep(32 * time.Second)
					synctest.Wait()
					w.check()
					w.stop()
					if t.Failed() {
						t.Fatalf("%s, point %d", name, i)
					}
				})
			}
		})
	}
}

func newTraffic(seed uint64) *traffic { return &traffic{Rand: rand.New(rand.NewPCG(seed, 1))} }

// oneLife runs a line up to a step of its disk, 0 for its whole life, and
// returns how many steps it took.
func oneLife(t *testing.T, out *outside, m *traffic, disk *crashfs.FS, crashAt int) int {
	t.Helper()
	disk.CrashAt(crashAt)
	w, err := tryOpen(t, disk, out, everyday())
	if err != nil {
		return disk.Steps() // it crashed that early
	}
	for range 60 {
		if w.send(m.some()...) != nil {
			break
		}
		time.Sleep(1300 * time.Millisecond)
	}
	time.Sleep(20 * time.Second)
	synctest.Wait()
	w.stop()
	return disk.Steps()
}

// TestLateSpansShareTheVerdict also over a restart.
func TestLateSpansShareTheVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, out := crashfs.New(), newOutside()
		w := start(t, disk, out, everyday())
		bad := sp{trace: 1, id: 10, name: "work", failed: true, end: 5}
		ping := sp{trace: 2, id: 20, name: "GET /ping", end: 5}
		w.send(bad, ping)
		time.Sleep(40 * time.Second)
		late := func(id uint64, s sp) sp { s.id, s.parent, s.name, s.failed = id, s.id, "late", false; return s }
		w.send(late(11, bad), late(21, ping))
		time.Sleep(5 * time.Minute)
		w.stop()
		disk = disk.Kill()
		time.Sleep(5 * time.Hour) // while nothing runs; the clock is no reason to forget
		w = start(t, disk, out, everyday())
		w.send(late(12, bad), late(22, ping))
		// It would be kept by itself, and the trace was left out.
		w.send(sp{trace: 2, id: 23, parent: 20, failed: true, name: "late"})
		time.Sleep(40 * time.Second)
		synctest.Wait()
		w.check()
		if s := w.line.Status(); s.Late != 3 {
			t.Errorf("%d late spans since the start, want 3", s.Late)
		}
		w.stop()
	})
}

func TestVerdictsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := crashfs.New()
		w := start(t, disk, newOutside(), everyday())
		for i := range uint64(400) {
			w.send(sp{trace: i, id: i + 1, name: "GET /ping", service: strings.Repeat("x", 300)})
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if s := w.line.Status(); s.Verdicts != 400 {
			t.Errorf("%d verdicts are remembered, want 400", s.Verdicts)
		}
		files := len(entries(t, disk))
		if files < 5 {
			t.Errorf("%d files, want one for each segment", files)
		}
		time.Sleep(10 * time.Minute)
		w.send(sp{trace: 1000, id: 1001, name: "GET /ping"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := w.line.Status(); s.Verdicts != 1 {
			t.Errorf("%d verdicts are remembered, want that of the newest trace alone", s.Verdicts)
		}
		if n := len(entries(t, disk)); n > 4 {
			t.Errorf("%d files of %d are left: %v", n, files, entries(t, disk))
		}
		w.stop()
		w = start(t, disk.Kill(), newOutside(), everyday())
		if n := w.sp.Status().Sifted.Rules["health"]; n != 401 {
			t.Errorf("%d spans are counted after the files are gone, want 401", n)
		}
		w.stop()
	})
}

func entries(t *testing.T, disk *crashfs.FS) (names []string) {
	t.Helper()
	all, err := disk.ReadDir("/tail")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// TestFullOfTraces decides the oldest early, keeps to the bound, and loses
// nothing of what must be kept.
func TestFullOfTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday(), func(o *Options) { o.MaxTraces = 50 })
		for i := range uint64(200) {
			w.send(sp{trace: i, id: i + 1, name: "work", failed: i%2 == 0})
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if s := w.line.Status(); s.Traces > 50 {
				t.Fatalf("%d traces are open, and 50 are the bound", s.Traces)
			}
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if s := w.line.Status(); s.Early < 100 {
			t.Errorf("%d traces were decided early, want most of 200", s.Early)
		}
		for i := range uint64(200) {
			if i%2 == 0 && w.got[i+1].times == 0 {
				t.Errorf("failed trace %d is missing", i)
			}
		}
		found, err := Explain(w.disk, "/tail", traceIDOf(3))
		if err != nil || len(found) != 1 || !found[0].Early {
			t.Errorf("the verdict on a trace that was decided early is %+v, %v", found, err)
		}
		w.stop()
	})
}

// TestVerdict asks for verdicts before and after they are there.
func TestVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		m := newTraffic(1)
		for range 20 {
			w.send(m.some()...)
		}
		count := func() (known int) {
			for trace := range w.sent {
				if _, ok := w.line.Verdict(traceIDOf(trace)); ok {
					known++
				}
			}
			return known
		}
		if n := count(); n != 0 {
			t.Errorf("%d verdicts before the first decision", n)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		// Two of so few are hardly ever in one place.
		if n := count(); n < len(w.sent)-1 {
			t.Errorf("%d verdicts on %d traces", n, len(w.sent))
		}
		w.check()
		w.stop()
	})
}

// TestFullDisk has verdicts written where nothing else has room.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := crashfs.New()
		w := start(t, disk, newOutside(), everyday())
		m := newTraffic(1)
		for range 20 {
			w.send(m.some()...)
		}
		var full atomic.Bool
		full.Store(true)
		disk.Fail(func(op crashfs.Op) error {
			if full.Load() && op.Kind == crashfs.Write && strings.HasSuffix(op.Path, suffix) {
				return fmt.Errorf("write: %w", syscall.ENOSPC)
			}
			return nil
		})
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if n := len(w.got); n != 0 {
			t.Errorf("%d spans came out, and no verdict could be written", n)
		}
		if s := w.line.Status(); !strings.Contains(s.LastError, "no space") {
			t.Errorf("the status says %q", s.LastError)
		}
		full.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.check()
		w.stop()
	})
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		w.send(sp{trace: 1, id: 10, name: "GET /ping"}, sp{trace: 2, id: 20, name: "work", failed: true})
		time.Sleep(20 * time.Second)
		w.send(sp{trace: 3, id: 30, name: "GET /ping"})
		s := everyday()
		s.Rules[2].Keep.Probability = 1 // health
		s.Rules[0].Keep.Probability = 0 // errors
		s.Rules[0].Name = "no errors"
		if err := w.line.Reload(s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if n := len(w.got); n != 0 {
			t.Errorf("%d spans came out before their time", n)
		}
		if u := w.sp.Status().Undecided; u.Spans != 3 {
			t.Errorf("%d spans are undecided after new rules, want 3", u.Spans)
		}
		time.Sleep(6 * time.Second) // 31 s after the first
		synctest.Wait()
		if w.got[10].times != 1 || w.got[20].times != 0 || w.got[30].times != 0 {
			t.Errorf("got %v; trace 1 is kept by the new rules, 2 is not, 3 waits", w.got)
		}
		err := w.line.Reload(Settings{Rules: []Rule{{Name: "x", When: "{ } >> { }"}}})
		var bad *RuleError
		if !errors.As(err, &bad) || bad.Rule != "x" {
			t.Errorf("a rule that cannot be used: %v", err)
		}
		s.Wait = time.Second
		if err := w.line.Reload(s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w.got[30].times != 1 {
			t.Errorf("a shorter wait does not hold for what is open: %v", w.got)
		}
		w.stop()
	})
}

// TestRulesAreGone has what was decided left out although there are no rules any
// more, and the rest handed out at once.
func TestRulesAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, out := crashfs.New(), newOutside()
		w := start(t, disk, out, everyday())
		w.send(sp{trace: 1, id: 10, name: "GET /ping"}, sp{trace: 2, id: 20, name: "work", failed: true})
		time.Sleep(31 * time.Second)
		w.send(sp{trace: 3, id: 30, name: "GET /ping"})
		time.Sleep(time.Second)
		w.stop()
		w = start(t, disk.Kill(), out, Settings{})
		w.send(sp{trace: 4, id: 40, name: "GET /ping"})
		synctest.Wait()
		if out.got[10].times != 0 || out.got[20].times == 0 || out.got[30].times != 1 || out.got[40].times != 1 {
			t.Errorf("got %v", out.got)
		}
		if n := w.sp.Status().Sifted.Rules["health"]; n != 1 {
			t.Errorf("%d spans are counted as left out, want 1", n)
		}
		w.stop()
		w = start(t, crashfs.New(), newOutside(), Settings{})
		if w.line != nil {
			t.Error("there is a line without rules and without verdicts")
		}
		w.stop()
	})
}

// TestClockJumps has a clock that goes back and forth change nothing: times of
// records are wrong here.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, crashfs.New(), newOutside(), everyday())
		for i := range uint64(40) {
			rec := record(sp{trace: i, id: i + 1, name: "work", failed: true})
			rec.Time = time.Now().Add(time.Duration(i%3-1) * time.Hour)
			if _, err := w.sp.Append(rec); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := len(w.got); n < 9 || n > 11 {
			t.Errorf("%d spans came out after 40 s, want those of the first 10", n)
		}
		w.stop()
	})
}
