package red

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBuckets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, s := range map[string]*scale{"latency": latencyScale, "edge": edgeScale} {
		if !slices.IsSorted(s.bounds) || len(s.bounds) >= buckets {
			t.Fatalf("%s: %d bounds, sorted: %t", name, len(s.bounds), slices.IsSorted(s.bounds))
		}
		values := []uint64{0, 1, 2, 7, 8, 9, math.MaxUint64}
		for _, b := range s.bounds {
			values = append(values, b-1, b, b+1)
		}
		for range 100_000 {
			values = append(values, r.Uint64()>>r.IntN(64))
		}
		for _, v := range values {
			if got, want := s.bucket(v), s.search(v); got != want {
				t.Fatalf("%s: %d ns is in bucket %d, not %d", name, v, want, got)
			}
		}
		for _, e := range s.exported {
			if got := s.bounds[e.buckets-1]; got != uint64(math.Round(e.seconds*1e9)) {
				t.Errorf("%s: the bound %v s is at %d ns", name, e.seconds, got)
			}
		}
	}
}

func TestQuantiles(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, median := range []float64{0.0005, 0.01, 0.3, 3} {
		var l live
		var all []float64
		for range 20_000 {
			seconds := median * math.Exp(r.NormFloat64())
			all = append(all, seconds)
			l.observe(latencyScale, uint64(seconds*1e9))
		}
		slices.Sort(all)
		h := l.load(latencyScale)
		for _, q := range []float64{0.5, 0.9, 0.99} {
			want := all[int(q*float64(len(all)))]
			if got := h.Quantile(q).Seconds(); math.Abs(got-want) > 0.12*want {
				t.Errorf("quantile %v of spans around %v s is %v s, not %v", q, median, want, got)
			}
		}
	}
	var empty Histogram
	if got := empty.Quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}
