package red

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"appliance/internal/otlpwire"
)

// all is every number of every series and edge.
func all(m *Meter) map[string]any {
	out := map[string]any{}
	view(m).Series(func(s *Series) {
		out[labelsOf(s.Tenant, s.Service, s.Name, s.Kind, s.Status)] = fmt.Sprintf("%+v", counted(s))
	})
	view(m).Edges(func(e *EdgeSeries) {
		out["edge "+labelsOf(e.Tenant, e.Client, e.Server, e.Type, "")] = [4]any{e.Failed, e.ClientTime.Count(), e.ServerTime.Cumulative(), e.ClientTime.Sum()}
	})
	return out
}

func someCalls(m *Meter, n uint64) {
	tally := m.Tally("tenant")
	for i := range n {
		call, served := span("web", "GET", clientKind, i, 1, 0), span("shop", "op "+strconv.Itoa(int(i%7)), serverKind, i, 2, 1)
		served.EndTime += i * 1e6
		served.StatusCode = int32(i % 3)
		tally.Add(call, true)
		tally.Add(served, false)
	}
	tally.Commit()
}

// TestCountsOutliveTheProcess ends runs in order and by a crash.
func TestCountsOutliveTheProcess(t *testing.T) {
	m := open(t, nil)
	someCalls(m, 100)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	want := all(m)
	m = again(t, m)
	if diff := cmp.Diff(want, all(m)); diff != "" {
		t.Error("after an end in order:", diff)
	}
	someCalls(m, 50)
	if err := m.Save(); err != nil {
		t.Fatal(err)
	}
	want = all(m)
	someCalls(m, 25) // since the last save
	m = again(t, m)
	if diff := cmp.Diff(want, all(m)); diff != "" {
		t.Error("after a crash:", diff)
	}
	// What a smaller limit has no room for is still counted.
	n := calls(m)
	if m = open(t, func(o *Options) { o.Dir, o.MaxSeries = m.dir, 3 }); calls(m) != n {
		t.Errorf("%d spans are counted with a smaller limit, and %d were", calls(m), n)
	}
}

// TestDamagedFiles begins at zero, and says so.
func TestDamagedFiles(t *testing.T) {
	m := open(t, nil)
	someCalls(m, 10)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(m.dir, stateName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 7 {
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 1 << (at % 8)
		if at%2 == 1 {
			damaged = damaged[:at]
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		o := Options{Dir: m.dir, FS: m.fs, MaxSeries: 10, PairWait: time.Second}
		if m, err := Open(o); !errors.Is(err, errDamaged) || len(all(m)) != 0 {
			t.Fatalf("byte %d is another: error %v, %d series", at, err, len(all(m)))
		}
	}
}

// FuzzFiles reads anything with a right checksum: all of it, or nothing.
func FuzzFiles(f *testing.F) {
	m := open(f, nil)
	someCalls(m, 10)
	s := m.snapshot()
	state := m.appendState(nil, s, 1)
	m.day.roll(s, m.now()+1000)
	dayText := m.appendDay(nil)
	f.Add(state[len(stateFormat):len(state)-4], dayText[len(dayFormat):len(dayText)-4])
	f.Fuzz(func(t *testing.T, state, dayText []byte) {
		m := newMeter(Options{MaxSeries: 20, PairWait: time.Second})
		err := m.readState(seal(append([]byte(stateFormat), state...)))
		if err != nil && len(all(m)) > 0 {
			t.Errorf("with the error %v there are %d series", err, len(all(m)))
		}
		if err := m.readDay(seal(append([]byte(dayFormat), dayText...))); err != nil && len(m.day.slots) > 0 {
			t.Errorf("with the error %v there are %d slots", err, len(m.day.slots))
		}
		m.Window(24 * time.Hour)
	})
}

// run lets a meter's clock go on.
func run(t *testing.T, m *Meter, d time.Duration) {
	t.Helper()
	for ; d > 0; d -= time.Minute {
		time.Sleep(time.Minute)
		m.graph.expire(m.now())
		if err := m.Save(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDay asks for windows of a day of which every hour has its own count, before
// and after a crash.
func TestDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, nil)
		perSlot := func(hour int) int { return 30 * (hour + 1) }
		for hour := range 30 {
			for range 12 {
				for i := range perSlot(hour) {
					s := span("shop", "op "+strconv.Itoa(i%3), serverKind, uint64(i), 1, 0)
					s.StatusCode = int32(i % 10 / 9 * errorStatus)
					commit(m, s)
				}
				run(t, m, 5*time.Minute)
			}
		}
		check := func(when string) {
			t.Helper()
			for _, hours := range []int{1, 6, 24} {
				w := m.Window(time.Duration(hours) * time.Hour)
				want := 0
				from := int(30 - w.To.Sub(w.From).Hours())
				for hour := 29; hour >= from; hour-- {
					want += 12 * perSlot(hour)
				}
				if got := w.To.Sub(w.From); got < time.Duration(hours)*time.Hour || got > time.Duration(hours+1)*time.Hour {
					t.Errorf("%s: the last %d h are %v", when, hours, got)
				}
				// A slot ends within a minute of its time, so a few spans of
				// the border may be missing or too many.
				if len(w.Services) != 1 || len(w.Services[0].Operations) != 3 {
					t.Fatalf("%s: services %+v", when, w.Services)
				}
				s := w.Services[0]
				if margin := 2 * perSlot(30); int(s.Calls) < want-margin || int(s.Calls) > want+margin || s.Errors != s.Calls/10 {
					t.Errorf("%s: in the last %d h there are %d calls and %d errors, not %d", when, hours, s.Calls, s.Errors, want)
				}
				if len(w.Edges) != 1 || w.Edges[0].Calls != s.Calls || w.Edges[0].Client != "user" {
					t.Errorf("%s: edges %+v", when, w.Edges)
				}
				if s.P50 < 45*time.Millisecond || s.P99 > 60*time.Millisecond {
					t.Errorf("%s: quantiles %v and %v of spans of 50 ms", when, s.P50, s.P99)
				}
			}
			if n := len(m.day.slots); n > 40 {
				t.Errorf("%s: the day has %d slots", when, n)
			}
		}
		check("at the end")
		m = again(t, m)
		check("after a crash")
	})
}

// TestIdleNamesMakeRoom fills the table with names that are not used again.
func TestIdleNamesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, func(o *Options) { o.MaxSeries = 20 })
		use := func(prefix string) {
			for i := range 20 {
				s := span(prefix+strconv.Itoa(i), "GET", clientKind, uint64(i), 1, 0)
				s.DBSystem = []byte("db-" + prefix)
				commit(m, s)
			}
		}
		held := m.Tally("")
		use("old")
		use("none")
		before := m.Status()
		held.Add(span("old1", "GET", clientKind, 1, 1, 0), false)
		run(t, m, 26*time.Hour)
		held.Commit() // its series is gone meanwhile
		if st := m.Status(); st.Series != 1 {
			t.Errorf("%d series are left of %d", st.Series, before.Series)
		}
		run(t, m, 2*time.Hour)
		use("new")
		st := m.Status()
		if st.Overflowed-before.Overflowed != 1 { // of 20 new ones, since one is there
			t.Errorf("%d spans had no room among series, after idle ones went", st.Overflowed-before.Overflowed)
		}
	})
}

// TestExamples are of spans that are kept, and where that is decided later not
// before.
func TestExamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verdicts := map[uint64]bool{}
		verdict := func(trace [16]byte) (kept, known bool) {
			kept, known = verdicts[uint64(trace[8])]
			return kept, known
		}
		examples := func(m *Meter) (traces []uint64) {
			view(m).Series(func(s *Series) {
				for _, e := range s.Examples {
					traces = append(traces, uint64(e.Trace[8]))
				}
			})
			return traces
		}
		add := func(m *Meter, s *otlpwire.Span, kept bool) {
			tally := m.Tally("")
			tally.Add(s, kept)
			tally.Commit()
			time.Sleep(3 * time.Second)
		}
		m := open(t, nil)
		add(m, span("shop", "GET", serverKind, 1, 1, 0), false)
		add(m, span("shop", "GET", serverKind, 2, 1, 0), true)
		if diff := cmp.Diff([]uint64{2}, examples(m)); diff != "" {
			t.Error("without verdicts:", diff)
		}
		m = open(t, func(o *Options) { o.Verdict = verdict })
		add(m, span("shop", "GET", serverKind, 3, 1, 0), true)
		add(m, span("shop", "GET", serverKind, 4, 1, 0), true)
		if got := examples(m); got != nil {
			t.Error("undecided traces are shown:", got)
		}
		verdicts[3], verdicts[4] = false, true
		if diff := cmp.Diff([]uint64{4}, examples(m)); diff != "" {
			t.Error("with verdicts:", diff)
		}
		w := m.Window(time.Hour)
		if x := w.Services[0].Operations[0].Examples; len(x) != 1 || x[0].Trace != "00000000000000000400000000000000" || x[0].Duration != 50*time.Millisecond || x[0].Error {
			t.Errorf("the window's examples are %+v", x)
		}
	})
}
