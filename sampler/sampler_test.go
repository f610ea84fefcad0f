package sampler

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"appliance/internal/otlpwire"
)

func mustNew(t testing.TB, c Config) *Sampler {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// workload is spans as they come: most without a tracestate, some with one.
func workload(n int) []otlpwire.Span {
	rng := rand.New(rand.NewPCG(8, 9))
	spans := randomSpans(rng, n)
	for i := range spans {
		sp := &spans[i]
		sp.Service = fmt.Appendf(nil, "service-%d", i%40)
		switch i % 8 {
		case 0:
			sp.TraceState = []byte("ot=th:8")
		case 1:
			sp.TraceState = []byte("congo=t61rcWkgMzE,ot=rv:ffffffffff0000;th:8;x:1,rojo=00f067aa0ba902b7")
		case 2:
			sp.TraceState = []byte("ot=x:" + strings.Repeat("v", 240))
		case 3:
			sp.TraceState = []byte("un readable")
		}
	}
	return spans
}

func TestSampleAllocatesNothing(t *testing.T) {
	spans := workload(4096)
	for _, c := range []Config{
		{Probability: 1},
		{Probability: 0.1},
		{Probability: 0.1, Services: map[string]float64{"service-1": 1, "service-2": 0}},
		{Probability: 0.1, Mode: Proportional, Precision: 14},
		{Probability: 0.1, Mode: HashSeed, HashSeed: 22},
		{Probability: 1, TargetSpansPerSecond: 100},
	} {
		s := mustNew(t, c)
		buf := make([]byte, 0, 2*maxTraceState)
		all := func() {
			for i := range spans {
				_, _, buf = s.Sample(&spans[i], buf)
			}
		}
		all() // services are seen for the first time
		if n := testing.AllocsPerRun(10, all); n != 0 {
			t.Errorf("%+v: %v allocations for %d spans", c, n, len(spans))
		}
	}
}

func TestSampleRewritesIntoTheScratch(t *testing.T) {
	s := mustNew(t, Config{Probability: 0.5})
	sp := spanOf(t, halfID, "a=1,ot=th:4")
	v, reason, buf := s.Sample(sp, nil)
	if !v.Keep || !v.Rewrite || string(v.TraceState) != "ot=th:8,a=1" || reason != Kept || string(buf) != string(v.TraceState) {
		t.Errorf("%+v, reason %v, scratch %q", v, reason, buf)
	}
	// An erased th that was all there was removes the field.
	s = mustNew(t, Config{Probability: 1})
	if v, _, _ := s.Sample(spanOf(t, halfID, "ot=th:f"), buf); !v.Keep || !v.Rewrite || len(v.TraceState) != 0 {
		t.Errorf("false th: %+v", v)
	}
	if v, _, _ := s.Sample(spanOf(t, halfID, "a=1"), buf); !v.Keep || v.Rewrite || v.TraceState != nil {
		t.Errorf("at 100 %%: %+v", v)
	}
}

func TestServicesHaveTheirRates(t *testing.T) {
	s := mustNew(t, Config{Probability: 0.1, Services: map[string]float64{"shop": 0.5, "health": 0, "pay": 1}})
	for _, v := range []struct {
		service []byte
		want    Reason
		out     string
	}{
		{nil, DroppedProbability, ""},
		{[]byte("other"), DroppedProbability, ""},
		{[]byte("Shop"), DroppedProbability, ""},
		{[]byte("shop"), Kept, "ot=th:8"},
		{[]byte("health"), DroppedZero, ""},
		{[]byte("pay"), Kept, ""},
	} {
		sp := spanOf(t, halfID, "")
		sp.Service = v.service
		verdict, reason, _ := s.Sample(sp, nil)
		if reason != v.want || verdict.Keep != reason.Keeps() || string(verdict.TraceState) != v.out {
			t.Errorf("%q: %v %v, %+v", v.service, reason.Keeps(), reason, verdict)
		}
	}
}

func TestReloadKeepsTheLastGood(t *testing.T) {
	services := map[string]float64{"shop": 1}
	s := mustNew(t, Config{Probability: 0, Services: services})
	services["shop"] = 0 // the caller's map is the caller's
	shop := spanOf(t, halfID, "")
	shop.Service = []byte("shop")
	if v, _, _ := s.Sample(shop, nil); !v.Keep {
		t.Error("a change of the map that was passed in changed the sampler")
	}
	if err := s.Reload(Config{Probability: 7}); err == nil || !strings.Contains(err.Error(), "sampler.probability: 7 is not between 0 and 1; for 7 % write 0.07") {
		t.Errorf("reload: %v", err)
	}
	if v, _, _ := s.Sample(shop, nil); !v.Keep || s.Config().Services["shop"] != 1 {
		t.Error("a configuration that is refused changed the sampler")
	}
	if err := s.Reload(Config{Probability: 0}); err != nil {
		t.Fatal(err)
	}
	if _, reason, _ := s.Sample(shop, nil); reason != DroppedZero {
		t.Errorf("after the reload: %v", reason)
	}
}

// Reload, roll, Stats and Sample at once: every span sees one configuration or the
// other, never a mixture. For the race detector too.
func TestReloadWhileSampling(t *testing.T) {
	all := Config{Probability: 1, TargetSpansPerSecond: 1e12}
	none := Config{Probability: 0, Services: map[string]float64{"service-1": 0}}
	s := mustNew(t, all)
	spans := workload(512)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			var buf []byte
			for {
				for i := range spans {
					var v otlpwire.Verdict
					var reason Reason
					v, reason, buf = s.Sample(&spans[i], buf)
					if v.Keep == (reason == DroppedZero) {
						t.Errorf("keep is %v for reason %v", v.Keep, reason)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 300 {
		c := all
		if i%2 == 0 {
			c = none
		}
		if err := s.Reload(c); err != nil {
			t.Error(err)
		}
		s.roll(defaultWindow)
		s.Stats()
	}
	close(done)
	wg.Wait()
}

// reportCPU adds the processor time of an operation, which a busy machine does
// not change as it does the time.
func reportCPU(b *testing.B, run func()) {
	b.Helper()
	b.ReportAllocs()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	run()
	b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
}

func BenchmarkSample(b *testing.B) {
	rng := rand.New(rand.NewPCG(10, 11))
	plain := randomSpans(rng, 1024)
	for i := range plain {
		plain[i].Service = fmt.Appendf(nil, "service-%d", i%40)
	}
	for _, v := range []struct {
		name   string
		spans  []otlpwire.Span
		config Config
	}{
		{"all", plain, Config{Probability: 1}},
		{"tenth", plain, Config{Probability: 0.1}},
		{"tenth_with_tracestates", workload(1024), Config{Probability: 0.1}},
		{"tenth_proportional_with_tracestates", workload(1024), Config{Probability: 0.1, Mode: Proportional}},
		{"tenth_hash_seed", plain, Config{Probability: 0.1, Mode: HashSeed}},
		{"tenth_by_service", plain, Config{Probability: 0.1, Services: map[string]float64{"a": 1, "service-1": 0.5}}},
		{"target", plain, Config{Probability: 1, TargetSpansPerSecond: 1000}},
	} {
		b.Run(v.name, func(b *testing.B) {
			s := mustNew(b, v.config)
			buf := make([]byte, 0, 512)
			reportCPU(b, func() {
				for i := 0; b.Loop(); i++ {
					_, _, buf = s.Sample(&v.spans[i%len(v.spans)], buf)
				}
			})
		})
	}
	b.Run("target_parallel", func(b *testing.B) {
		s := mustNew(b, Config{Probability: 1, TargetSpansPerSecond: 1000})
		reportCPU(b, func() {
			b.RunParallel(func(pb *testing.PB) {
				buf := make([]byte, 0, 512)
				for i := 0; pb.Next(); i++ {
					_, _, buf = s.Sample(&plain[i%len(plain)], buf)
				}
			})
		})
	})
}
