package traceql

import (
	"cmp"
	"math"
	"slices"
)

func (acc *accumulator) sorted() []bucket {
	out := make([]bucket, 0, len(acc.buckets))
	for b := range acc.buckets {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b bucket) int { return cmp.Compare(a.limit(), b.limit()) })
	return out
}

// histogram has a line for each bucket.
func (acc *accumulator) histogram(labels []MetricLabel) []*line {
	var out []*line
	for i, b := range acc.sorted() {
		l := &line{values: slices.Clone(acc.buckets[b])}
		l.labels = append(present(labels), MetricLabel{labelBucket, FloatValue(b.limit())})
		if i == 0 {
			l.exemplars = acc.exemplars
		}
		out = append(out, l)
	}
	return out
}

// quantiles has a line for each quantile, with 0 where there is no value.
func (acc *accumulator) quantiles(labels []MetricLabel, quantiles []float64, n int) []*line {
	if len(acc.buckets) == 0 {
		return nil
	}
	sorted := acc.sorted()
	var out []*line
	for i, q := range quantiles {
		if slices.Contains(quantiles[:i], q) {
			continue
		}
		l := &line{values: make([]float64, n)}
		l.labels = append(present(labels), MetricLabel{labelQuantile, FloatValue(q)})
		for step := range n {
			l.values[step] = acc.quantile(sorted, q, step)
		}
		if i == 0 {
			l.exemplars = acc.exemplars
		}
		out = append(out, l)
	}
	return out
}

// quantile is where in its bucket the value of rank ceil(q*n) lies if those of
// the bucket are spread evenly over its logarithm. The bucket begins where the
// one before it ends that has a value.
func (acc *accumulator) quantile(sorted []bucket, q float64, step int) float64 {
	total := 0.0
	for _, b := range sorted {
		total += acc.buckets[b][step]
	}
	rank, below, low := max(1, math.Ceil(q*total)), 0.0, 0.0
	for _, b := range sorted {
		n := acc.buckets[b][step]
		if n == 0 {
			continue
		}
		if low == 0 {
			low = b.limit() / 2
		}
		if below+n >= rank {
			return low * math.Exp2((rank-below)/n*math.Log2(b.limit()/low))
		}
		below, low = below+n, b.limit()
	}
	return low // 0 without any value
}
