package red

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram is how long spans took.
type Histogram struct {
	counts [buckets]uint64
	sum    float64 // seconds
	scale  *scale
}

// Count is how many spans there are.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.counts {
		n += c
	}
	return n
}

// Sum is how long they took together, in seconds.
func (h *Histogram) Sum() float64 { return h.sum }

// Cumulative is how many took at most so many seconds, at the bounds that Tempo's
// generator has by default.
func (h *Histogram) Cumulative() map[float64]uint64 {
	out := make(map[float64]uint64, len(h.scale.exported))
	var n uint64
	next := 0
	for _, b := range h.scale.exported {
		for ; next < b.buckets; next++ {
			n += h.counts[next]
		}
		out[b.seconds] = n
	}
	return out
}

// Quantile estimates what share q of the spans took at most, to about a tenth: a
// bucket's spans are taken to be spread over it evenly. It is 0 without spans.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := q * float64(total)
	var below float64
	for i, n := range h.counts {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		lower, upper := h.scale.lower(i), h.scale.upper(i)
		seconds := lower + (upper-lower)*max(0, rank-below)/float64(n)
		return time.Duration(seconds * float64(time.Second))
	}
	return time.Duration(h.scale.upper(buckets-1) * float64(time.Second))
}

// Add adds another histogram, of the same kind.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.sum += o.sum
	h.scale = o.scale
}

// mask has a bit for each bucket that is not empty.
func (h *Histogram) mask() (m uint64) {
	for i, n := range h.counts {
		if n != 0 {
			m |= 1 << i
		}
	}
	return m
}

// since takes an earlier state of the same histogram away.
func (h *Histogram) since(earlier *Histogram) {
	for i, n := range earlier.counts {
		h.counts[i] -= n
	}
	h.sum -= earlier.sum
}

// live is a Histogram that many add to at the same time.
type live struct {
	counts [buckets]atomic.Uint64
	sum    atomic.Uint64 // bits of a float64
}

func (l *live) observe(s *scale, ns uint64) {
	l.counts[s.bucket(ns)].Add(1)
	l.addSum(float64(ns) / 1e9)
}

func (l *live) addSum(seconds float64) {
	for {
		old := l.sum.Load()
		if l.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+seconds)) {
			return
		}
	}
}

// addCounts adds those of counts that mask names.
func (l *live) addCounts(mask uint64, counts *[buckets]uint32) {
	for ; mask != 0; mask &= mask - 1 {
		i := bits.TrailingZeros64(mask)
		l.counts[i].Add(uint64(counts[i]))
	}
}

func (l *live) load(s *scale) Histogram {
	h := Histogram{scale: s, sum: math.Float64frombits(l.sum.Load())}
	for i := range l.counts {
		h.counts[i] = l.counts[i].Load()
	}
	return h
}

func (l *live) store(h *Histogram) {
	for i, n := range h.counts {
		l.counts[i].Store(n)
	}
	l.sum.Store(math.Float64bits(h.sum))
}
