package sampler

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/otlpwire"

	"pgregory.net/rapid"
)

func TestBucketsCoverAllRandomness(t *testing.T) {
	from := 0.0
	for b := buckets - 1; b >= 0; b-- {
		above, within := bucketSpan(b)
		if above != from || within <= 0 {
			t.Fatalf("bucket %d spans %v from %v, the one above it ends at %v", b, within, above, from)
		}
		from = above + within
	}
	if from != 1 {
		t.Errorf("the buckets cover %v", from)
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.Uint64Range(0, randomBound-1).Draw(t, "randomness")
		if rapid.Bool().Draw(t, "near the top") {
			r = randomBound - 1 - r>>rapid.IntRange(0, 55).Draw(t, "how near")
		}
		above, within := bucketSpan(bucketOf(Randomness(r)))
		// exact, as they have few bits
		from, to := uint64(above*randomBound), uint64((above+within)*randomBound)
		if distance := randomBound - 1 - r; distance < from || distance >= to {
			t.Fatalf("%v is %x from the top, its bucket is from %x to %x", Randomness(r), distance, from, to)
		}
	})
}

func TestShareIsMaxMinFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asks := rapid.SliceOfN(rapid.Float64Range(0, 1000), 1, 30).Draw(t, "asked")
		budget := rapid.Float64Range(0, 10000).Draw(t, "budget")
		asking := make([]demand, len(asks))
		asked := 0.0
		for i, a := range asks {
			asking[i].asked = a
			asked += a
		}
		shareOut(asking, budget)
		granted, least := 0.0, math.Inf(1)
		for _, d := range asking {
			granted += d.granted
			if d.granted > d.asked {
				t.Fatalf("%v granted to one who asks for %v", d.granted, d.asked)
			}
			if d.granted < d.asked {
				least = min(least, d.granted)
			}
		}
		const rounding = 1e-6
		if math.Abs(granted-min(asked, budget)) > rounding {
			t.Fatalf("%v granted of a budget of %v, asked for %v", granted, budget, asked)
		}
		for _, d := range asking {
			if d.granted > least+rounding {
				t.Fatalf("one gets %v while another gets %v of what it asks for", d.granted, least)
			}
		}
	})
}

// traffic sends spans of random traces: perSecond of each service, for a time.
// It returns what was kept, per second, and what that stands for.
type traffic struct {
	rng  *rand.Rand
	make func(*otlpwire.Span) // what is special about the spans
}

func (tr traffic) send(t *testing.T, s *Sampler, perSecond map[string]int, seconds int) (kept, count map[string]float64) {
	t.Helper()
	kept, count = map[string]float64{}, map[string]float64{}
	var buf []byte
	for name, rate := range perSecond {
		spans := randomSpans(tr.rng, rate*seconds)
		for i := range spans {
			spans[i].Service = []byte(name)
			if tr.make != nil {
				tr.make(&spans[i])
			}
			var v otlpwire.Verdict
			v, _, buf = s.Sample(&spans[i], buf)
			if !v.Keep {
				continue
			}
			kept[name]++
			ts := spans[i].TraceState
			if v.Rewrite {
				ts = v.TraceState
			}
			if st := scanTraceState(ts); st.hasTH {
				count[name] += st.th.AdjustedCount()
			} else {
				count[name]++
			}
		}
		kept[name] /= float64(seconds)
		count[name] /= float64(seconds)
	}
	return kept, count
}

// pass lets the clock of a synctest bubble run on, and what is due happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s: %.1f, want %.1f within %.0f %%", what, got, want, 100*tolerance)
	}
}

// A window after traffic rises it is at the target, shared out fairly; a window after it
// falls nothing is held back any more.
func TestTargetFollowsTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Probability: 1, TargetSpansPerSecond: 900, Window: 10 * time.Second})
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- s.Run(ctx) }()
		window := func(perSecond map[string]int) (kept, count map[string]float64) {
			kept, count = traffic{rng: rand.New(rand.NewPCG(12, 13))}.send(t, s, perSecond, 10)
			pass(10 * time.Second)
			return kept, count
		}
		busy := map[string]int{"quiet": 50, "middle": 500, "loud": 5000}
		kept, _ := window(busy)
		if kept["loud"] != 5000 {
			t.Errorf("before anything was measured, %v of 5000 are kept", kept["loud"])
		}
		kept, count := window(busy)
		near(t, "quiet keeps all", kept["quiet"], 50, 0)
		near(t, "middle keeps its share", kept["middle"], 425, 0.05)
		near(t, "loud keeps its share", kept["loud"], 425, 0.05)
		near(t, "what middle stands for", count["middle"], 500, 0.05)
		near(t, "what loud stands for", count["loud"], 5000, 0.05)

		w := s.Stats().Window
		if len(w.Services) != 3 || w.Services[0].Name != "loud" || w.Services[2].Name != "quiet" || w.RestServices != 0 {
			t.Fatalf("reported: %+v", w)
		}
		near(t, "effective probability of loud", w.Services[0].Probability, 0.085, 0.05)
		near(t, "effective probability of all", w.All.Probability, 900./5550, 0.05)
		near(t, "arrivals", w.All.Arrived, 5550, 0)
		if w.Services[2].Threshold != Always || w.Services[0].Threshold <= w.Services[1].Threshold {
			t.Errorf("thresholds: %+v", w.Services)
		}

		window(map[string]int{"loud": 100})
		kept, _ = window(busy)
		near(t, "after a quiet window", kept["loud"], 5000, 0)
		window(nil)
		if w := s.Stats().Window; w.All.Arrived != 0 || len(w.Services) != 0 {
			t.Errorf("after a window without traffic: %+v", w)
		}
		stop()
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// Sampled before or not, told in th or not, in any mode, by priority or not: one window is enough.
func TestTargetOnAnyTraffic(t *testing.T) {
	atRandom := rand.New(rand.NewPCG(14, 15))
	presampled := func(th Threshold) func(sp *otlpwire.Span) {
		return func(sp *otlpwire.Span) {
			r := Randomness(uint64(th) + atRandom.Uint64N(randomBound-uint64(th)))
			sp.TraceID = append([]byte(nil), sp.TraceID...)
			for i := range 7 {
				sp.TraceID[15-i] = byte(r >> (8 * i))
			}
		}
	}
	th := mustRate(t, Equalizing, 1./64, 4).threshold
	odd := mustRate(t, Equalizing, 0.0113, 14).threshold
	for _, v := range []struct {
		name    string
		config  Config
		special func(*otlpwire.Span)
		arrives int
		passes  float64 // what the configured rate lets through
		counts  float64 // what kept spans stand for; 0 is not to be known
	}{
		{"plain", Config{Probability: 1}, nil, 4000, 4000, 4000},
		{"configured at a half", Config{Probability: 0.5}, nil, 4000, 2000, 4000},
		{"configured below the target", Config{Probability: 0.02}, nil, 4000, 80, 4000},
		{"sampled before, as th says", Config{Probability: 1}, func(sp *otlpwire.Span) {
			presampled(th)(sp)
			sp.TraceState = []byte("ot=th:" + th.String())
		}, 4000, 4000, 4000 * 64},
		{"sampled before, as th says, and configured", Config{Probability: 0.01}, func(sp *otlpwire.Span) {
			presampled(th)(sp)
			sp.TraceState = []byte("ot=th:" + th.String())
		}, 4000, 4000 * .64, 4000 * 64},
		{"sampled before, and nothing said", Config{Probability: 1}, presampled(th), 4000, 4000, 0},
		{"sampled before at an odd rate, and nothing said", Config{Probability: 1}, presampled(odd), 4000, 4000, 0},
		{"proportional", Config{Probability: 0.25, Mode: Proportional}, func(sp *otlpwire.Span) {
			presampled(th)(sp)
			sp.TraceState = []byte("ot=th:" + th.String())
		}, 4000, 1000, 4000 * 64},
		{"hash_seed", Config{Probability: 0.5, Mode: HashSeed}, nil, 4000, 2000, 0},
		{"a fifth by priority", Config{Probability: 1}, func(sp *otlpwire.Span) {
			if atRandom.IntN(20) == 0 {
				sp.HasPriority, sp.Priority = true, 1
			}
		}, 4000, 4000, 4000},
		{"dropped by priority", Config{Probability: 1}, func(sp *otlpwire.Span) {
			sp.HasPriority, sp.Priority = true, 0
		}, 4000, 0, 0},
		{"none", Config{Probability: 0}, nil, 4000, 0, 0},
	} {
		t.Run(v.name, func(t *testing.T) {
			const seconds, target = 10, 400
			v.config.TargetSpansPerSecond = target
			s := mustNew(t, v.config)
			tr := traffic{rng: rand.New(rand.NewPCG(16, 17)), make: v.special}
			kept, _ := tr.send(t, s, map[string]int{"a": v.arrives}, seconds)
			near(t, "passes before", kept["a"], v.passes, 0.1)
			s.roll(seconds * time.Second)
			kept, count := tr.send(t, s, map[string]int{"a": v.arrives}, seconds)
			near(t, "kept", kept["a"], min(target, v.passes), 0.1)
			if v.counts > 0 {
				near(t, "stands for", count["a"], v.counts, 0.12)
			}
		})
	}
}

// Where sampling.priority alone exceeds the share, the others do not go dark.
func TestTargetLeavesSomethingBesidesPriority(t *testing.T) {
	s := mustNew(t, Config{Probability: 1, TargetSpansPerSecond: 100})
	n := 0
	tr := traffic{rng: rand.New(rand.NewPCG(18, 19)), make: func(sp *otlpwire.Span) {
		if n++; n%2 == 0 {
			sp.HasPriority, sp.Priority = true, 1
		}
	}}
	tr.send(t, s, map[string]int{"a": 2000}, 10)
	s.roll(10 * time.Second)
	tr.make = nil
	kept, _ := tr.send(t, s, map[string]int{"a": 10000}, 10)
	near(t, "besides priority", kept["a"], 10, 0.5)
}

// Within a window, the traces that a loud service keeps are among those that
// every quieter one keeps, so they are complete.
func TestThresholdsOfServicesNest(t *testing.T) {
	s := mustNew(t, Config{Probability: 1, TargetSpansPerSecond: 300})
	tr := traffic{rng: rand.New(rand.NewPCG(20, 21))}
	tr.send(t, s, map[string]int{"a": 50, "b": 1000, "c": 8000}, 10)
	s.roll(10 * time.Second)
	complete, spans := 0, randomSpans(tr.rng, 20000)
	for i := range spans {
		var keeps [3]bool
		for j, name := range []string{"a", "b", "c"} {
			sp := spans[i]
			sp.Service = []byte(name)
			v, _, _ := s.Sample(&sp, nil)
			keeps[j] = v.Keep
		}
		if keeps[2] && !keeps[1] || keeps[1] && !keeps[0] {
			t.Fatalf("trace %x: kept by a, b, c: %v", spans[i].TraceID, keeps)
		}
		if keeps[2] {
			complete++
		}
	}
	near(t, "complete traces", float64(complete), 20000*125./8000, 0.25)
}

func TestReloadKeepsWhatWasLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Probability: 1, TargetSpansPerSecond: 100, Window: time.Hour})
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- s.Run(ctx) }()
		synctest.Wait()
		tr := traffic{rng: rand.New(rand.NewPCG(22, 23))}
		reload := func(target float64, window time.Duration) {
			if err := s.Reload(Config{Probability: 1, TargetSpansPerSecond: target, Window: window}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		tr.send(t, s, map[string]int{"a": 1000}, 10)
		reload(100, 10*time.Second) // a shorter window is in force at once
		pass(10 * time.Second)
		kept, _ := tr.send(t, s, map[string]int{"a": 1000}, 10)
		near(t, "in the first window", kept["a"], 100, 0.1)

		reload(200, 10*time.Second)
		kept, _ = tr.send(t, s, map[string]int{"a": 1000}, 10)
		near(t, "right after a reload", kept["a"], 100, 0.1)
		pass(10 * time.Second)
		kept, _ = tr.send(t, s, map[string]int{"a": 1000}, 10)
		near(t, "in the window after two of traffic", kept["a"], 100, 0.1)

		reload(0, 10*time.Second)
		kept, _ = tr.send(t, s, map[string]int{"a": 1000}, 10)
		near(t, "without a target", kept["a"], 1000, 0)
		if w := s.Stats().Window; w.Took != 0 {
			t.Errorf("without a target: %+v", w)
		}
		stop()
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// A million names cost no more than the bound, and services that were there
// before keep their place and their share.
func TestMillionServiceNames(t *testing.T) {
	s := mustNew(t, Config{Probability: 1, TargetSpansPerSecond: 3000})
	var buf []byte
	rng := rand.New(rand.NewPCG(24, 25))
	send := func(name []byte) (kept bool) {
		sp := &randomSpans(rng, 1)[0]
		sp.Service = name
		var v otlpwire.Verdict
		v, _, buf = s.Sample(sp, buf)
		return v.Keep
	}
	old := []string{"shop", "pay", "mail"}
	keptOld := map[string]int{}
	for window := range 4 {
		clear(keptOld)
		flood := 250_000
		if window == 0 {
			flood = 0
		}
		for i := range max(flood, 30_000) {
			if i%10 == 0 {
				if name := old[i/10%3]; send([]byte(name)) {
					keptOld[name]++
				}
			}
			if flood > 0 {
				send(fmt.Appendf(nil, "made-up-%d-%d", window, i))
			}
		}
		table := s.current.Load().target.seen.Load()
		if n := len(slices.Collect(table.all())); n > maxServices+1 {
			t.Fatalf("%d services are counted one by one", n-1)
		}
		s.roll(10 * time.Second)
		w := s.Stats().Window
		if len(w.Services) > topServices || w.RestServices > maxServices {
			t.Fatalf("%d services reported, and %d more", len(w.Services), w.RestServices)
		}
		if flood > 0 && !slices.ContainsFunc(w.Services, func(r ServiceRate) bool { return r.Name == "mail" }) {
			t.Errorf("window %d: mail is not among the services", window)
		}
	}
	// 25,000 spans a window of the old ones are 833 per second each; 3000 are
	// to be had, and the flood has one share.
	for _, name := range old {
		if keptOld[name] < 7000 {
			t.Errorf("%s keeps %d spans in the flood", name, keptOld[name])
		}
	}
	if long := make([]byte, maxServiceName+1); s.current.Load().target.service(long) != s.current.Load().target.seen.Load().rest {
		t.Error("a name of any length is remembered")
	}
}
