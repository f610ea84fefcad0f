package red

import (
	"math"
	"math/bits"
)

// buckets is how many a histogram has at most: what is not empty fits in the
// bits of a word.
const buckets = 64

// A scale divides durations into buckets. Some of its bounds are exported: those
// that Tempo's generator uses by default. The others between them make quantiles
// finer.
type scale struct {
	bounds   []uint64 // nanoseconds, upper and inclusive; above the last is one bucket more
	exported []bound
	// by the highest bit of a duration and the three below it: the bucket of
	// the smallest such duration
	first [64 << 3]uint8
}

// bound is an exported one.
type bound struct {
	seconds float64
	buckets int // how many buckets are at or below it
}

var (
	latencyScale = newScale([]float64{0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.02, 2.05, 4.10}, 12, []float64{5.8, 8.2, 11.6, 16.4, 32.8, 65.6})
	edgeScale    = newScale([]float64{0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8}, 22, []float64{18.1, 25.6, 36.2, 51.2, 102.4})
)

// newScale makes a scale with so many bounds below the first exported one, each
// the square root of two apart, three between two of them, and some above.
func newScale(exported []float64, below int, above []float64) *scale {
	s := new(scale)
	add := func(seconds float64) { s.bounds = append(s.bounds, uint64(math.Round(seconds*1e9))) }
	for k := below; k > 0; k-- {
		add(exported[0] * math.Pow(2, -float64(k)/2))
	}
	for i, e := range exported {
		add(e)
		s.exported = append(s.exported, bound{e, len(s.bounds)})
		if i+1 < len(exported) {
			for j := 1; j < 4; j++ {
				add(e * math.Pow(exported[i+1]/e, float64(j)/4))
			}
		}
	}
	for _, a := range above {
		add(a)
	}
	for cell := range s.first {
		highest, next := cell>>3, uint64(cell&7)
		if highest < 3 {
			continue // bucket 0
		}
		s.first[cell] = s.search((8 | next) << (highest - 3))
	}
	return s
}

func (s *scale) search(ns uint64) uint8 {
	i := 0
	for i < len(s.bounds) && ns > s.bounds[i] {
		i++
	}
	return uint8(i)
}

// bucket is where a duration belongs.
func (s *scale) bucket(ns uint64) uint8 {
	if ns <= s.bounds[0] {
		return 0
	}
	highest := bits.Len64(ns) - 1 // at least 3: the first bound is above 8 ns
	i := s.first[highest<<3|int(ns>>(highest-3))&7]
	for int(i) < len(s.bounds) && ns > s.bounds[i] {
		i++
	}
	return i
}

// lower and upper are the bounds of a bucket in seconds. Of the last one there is
// no upper bound, and quantiles in it are its lower.
func (s *scale) lower(bucket int) float64 {
	if bucket == 0 {
		return 0
	}
	return float64(s.bounds[bucket-1]) / 1e9
}

func (s *scale) upper(bucket int) float64 {
	return float64(s.bounds[min(bucket, len(s.bounds)-1)]) / 1e9
}
