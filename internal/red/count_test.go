package red

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"appliance/internal/otlpwire"
)

// count is what a plain map counts of spans with the same labels.
type count struct {
	calls, bytes, kept, keptBytes uint64
	seconds                       float64
	buckets                       [12]uint64
}

func (c *count) add(s *otlpwire.Span, kept bool) {
	seconds := 0.0
	if s.EndTime > s.StartTime {
		seconds = float64(s.EndTime-s.StartTime) / 1e9
	}
	c.calls++
	c.bytes += uint64(s.Bytes)
	c.seconds += seconds
	if kept {
		c.kept++
		c.keptBytes += uint64(s.Bytes)
	}
	for i, b := range []float64{0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.02, 2.05, 4.10} {
		if seconds <= b {
			c.buckets[i]++
		}
	}
}

func counted(s *Series) count {
	c := count{calls: s.Latency.Count(), bytes: s.Bytes, kept: s.Kept, keptBytes: s.KeptBytes, seconds: s.Latency.Sum()}
	for b, n := range s.Latency.Cumulative() {
		for i, bound := range latencyScale.exported {
			if bound.seconds == b {
				c.buckets[i] = n
			}
		}
	}
	return c
}

func labelsOf(tenant, service, name, kind, status string) string {
	return strings.Join([]string{tenant, service, name, kind, status}, "\x00")
}

// TestCountsAreExact holds what is counted against plain maps: of requests at the
// same time, of which some are refused, of any span.
func TestCountsAreExact(t *testing.T) {
	m := open(t, func(o *Options) { o.MaxSeries = 10_000 })
	var mu sync.Mutex
	want := map[string]*count{}
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(worker)))
			own := map[string]*count{}
			for range 300 {
				tenant := []string{"", "a", "b"}[r.IntN(3)]
				tally := m.Tally(tenant)
				refused := r.IntN(4) == 0
				for range r.IntN(200) {
					s := randomSpan(r)
					kept := r.IntN(10) == 0
					tally.Add(s, kept)
					if refused {
						continue
					}
					kind, status := int32(0), int32(0)
					if s.Kind >= 0 && s.Kind < 6 {
						kind = s.Kind
					}
					if s.StatusCode >= 0 && s.StatusCode < 3 {
						status = s.StatusCode
					}
					k := labelsOf(tenant, string(s.Service), string(s.Name), kindNames[kind], statusNames[status])
					if own[k] == nil {
						own[k] = new(count)
					}
					own[k].add(s, kept)
				}
				if refused {
					tally.Discard()
				} else {
					tally.Commit()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for k, c := range own {
				if want[k] == nil {
					want[k] = new(count)
				}
				sum := want[k]
				sum.calls, sum.bytes, sum.kept, sum.keptBytes, sum.seconds = sum.calls+c.calls, sum.bytes+c.bytes, sum.kept+c.kept, sum.keptBytes+c.keptBytes, sum.seconds+c.seconds
				for i := range sum.buckets {
					sum.buckets[i] += c.buckets[i]
				}
			}
		})
	}
	workers.Wait()
	seen := 0
	view(m).Series(func(s *Series) {
		seen++
		k := labelsOf(s.Tenant, s.Service, s.Name, s.Kind, s.Status)
		got := counted(s)
		if want[k] == nil {
			t.Errorf("%q is counted, and never came", k)
			return
		}
		if math.Abs(got.seconds-want[k].seconds) > 1e-9*want[k].seconds {
			t.Errorf("%q took %v s, counted are %v", k, want[k].seconds, got.seconds)
		}
		got.seconds = want[k].seconds
		if got != *want[k] {
			t.Errorf("%q is counted as %+v, and came as %+v", k, got, *want[k])
		}
	})
	if seen != len(want) {
		t.Errorf("%d series are counted, and %d came", seen, len(want))
	}
}

func randomSpan(r *rand.Rand) *otlpwire.Span {
	s := span([]string{"", "shop", "cart", "pay"}[r.IntN(4)], "op "+strconv.Itoa(r.IntN(20)), int32(r.IntN(8)-1), r.Uint64(), r.Uint64(), r.Uint64N(3))
	s.StatusCode = int32(r.IntN(5) - 1)
	s.Bytes = r.IntN(1000)
	switch r.IntN(8) {
	case 0:
		s.EndTime = s.StartTime + uint64(latencyScale.exported[r.IntN(12)].seconds*1e9) + uint64(r.IntN(3)) - 1
	case 1:
		s.EndTime = s.StartTime - r.Uint64N(100) // a clock that went back
	default:
		s.EndTime = s.StartTime + uint64(math.Exp(r.Float64()*30))
	}
	return s
}

// TestNamesWithoutEnd sends ten million names: what there is no room for is
// counted, and takes no memory.
func TestNamesWithoutEnd(t *testing.T) {
	const most = 1000
	spans := 10_000_000
	if raceEnabled {
		spans /= 50
	}
	m := open(t, func(o *Options) { o.MaxSeries = most })
	s := span("shop", "", serverKind, 1, 2, 3)
	client := span("shop", "", clientKind, 1, 2, 3)
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	for n := 0; n < spans; {
		tally := m.Tally("")
		for range 1000 {
			s.Name = strconv.AppendInt(s.Name[:0], int64(n), 10)
			tally.Add(s, false)
			n++
		}
		client.ServerAddress = fmt.Appendf(client.ServerAddress[:0], "host-%d", n)
		client.Service = fmt.Appendf(client.Service[:0], "service-%d", n)
		tally.Add(client, false)
		tally.Commit()
	}
	m.graph.expire(m.now() + 100)
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("memory has grown by %d bytes", grown)
	}
	if got, want := calls(m), uint64(spans+spans/1000); got != want {
		t.Errorf("%d spans are counted, and %d came", got, want)
	}
	st := m.Status()
	if limit := reservedOf(most) + lastSeries; st.Series > limit || st.Nodes > most+1 || st.Edges > most+1 {
		t.Errorf("of at most %d there are %d series, %d nodes and %d edges", most, st.Series, st.Nodes, st.Edges)
	}
	view(m).Series(func(s *Series) {
		if s.Name == Overflow && s.Service == "shop" && int(s.Latency.Count()) < spans-2*most {
			t.Errorf("the overflow of the service has %d spans", s.Latency.Count())
		}
	})
	if int(st.Overflowed) < spans-most {
		t.Errorf("%d spans are said to be in series of the rest", st.Overflowed)
	}
}

func TestLongNamesAreCut(t *testing.T) {
	m := open(t, nil)
	commit(m, span(strings.Repeat("é", 300), "x"+strings.Repeat("é", 300), 0, 1, 2, 3))
	view(m).Series(func(s *Series) {
		want := [2]string{strings.Repeat("é", 128), "x" + strings.Repeat("é", 127)}
		if diff := cmp.Diff(want, [2]string{s.Service, s.Name}); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := open(t, nil)
	spans := make([]*otlpwire.Span, 300)
	for i := range spans {
		spans[i] = span("shop", strconv.Itoa(i%50), int32(i%6), uint64(i/2), 7, 9)
	}
	commit(m, spans...)
	// the pool's, which forgets now and then
	if n := testing.AllocsPerRun(100, func() { commit(m, spans...) }); n > float64(len(spans)/10) {
		t.Errorf("%v allocations for %d spans", n, len(spans))
	}
}
