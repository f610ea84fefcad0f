package traceql

import (
	"cmp"
	"math"
	"slices"
)

// seriesLeaf computes rate(), count_over_time() and the other functions.
type seriesLeaf struct {
	x        *Series
	plan     *plan
	steps    timeSteps
	groups   *grouper
	accs     []*accumulator // by group
	budget   *Budget
	cells    int
	weighted bool // with(extrapolate=true)

	exemplars int // that may still be taken
}

// bucket holds the values above half its limit, up to its limit of 2^exponent.
type bucket struct {
	exponent int
	seconds  bool // the limit is in nanoseconds, and shown in seconds
}

func (b bucket) limit() float64 {
	limit := math.Ldexp(1, b.exponent)
	if b.seconds {
		limit /= 1e9
	}
	return limit
}

func newSeriesLeaf(x *Series, q *Query, o *MetricsOptions, s timeSteps) (*seriesLeaf, error) {
	if len(x.By) > MaxGroupBy {
		return nil, errorAt(x.At, "by() has %d attributes, of at most %d", len(x.By), MaxGroupBy)
	}
	p, err := compilePipeline(x.Spans)
	if err != nil {
		return nil, err
	}
	l := &seriesLeaf{x: x, plan: p, steps: s, groups: newGrouper(x.By, o.Budget), budget: o.Budget}
	l.exemplars = o.Exemplars
	for _, h := range q.Hints {
		if h.Name == "extrapolate" && h.Value.Kind == TypeBool && h.Value.Int == 1 {
			l.weighted = true
		}
	}
	return l, nil
}

func (l *seriesLeaf) find(e *evaluation) (*Bitmap, error) { return l.plan.find(e) }

// observe goes on where there is no room: the groups that are known count all of
// their spans.
func (l *seriesLeaf) observe(e *evaluation, found *Bitmap) error {
	start, err := e.numbers(IntrinsicStart)
	if err != nil {
		return err
	}
	groups := l.groups.in(e)
	measure, err := l.measure(e)
	if err != nil {
		return err
	}
	for i, n := found.Next(0), 0; i >= 0; i, n = found.Next(i+1), n+1 {
		if n%checkEvery == 0 && e.ctx.Err() != nil {
			return e.ctx.Err()
		}
		step := l.steps.index(uint64(start[i]))
		if step < 0 {
			continue
		}
		acc := l.accumulator(groups.group(i))
		if acc == nil || acc.lost {
			continue
		}
		v := measure(i)
		if err := l.add(acc, step, v); err != nil {
			l.lose(acc, err)
			continue
		}
		if l.exemplars > 0 && len(acc.exemplars) < exemplarsPerSeries {
			if err := l.exemplar(e, acc, i, uint64(start[i]), v); err != nil {
				return err
			}
		}
	}
	return cmp.Or(e.reader.err, l.groups.over)
}

// exemplarsPerSeries keeps one series from taking them all.
const exemplarsPerSeries = 10

func (l *seriesLeaf) exemplar(e *evaluation, acc *accumulator, span int, start uint64, v measured) error {
	x := MetricExemplar{Time: int64(start / 1e6), Value: v.value}
	traces, err := e.offsets(LevelTrace)
	if err != nil {
		return err
	}
	if err := e.identifier(IntrinsicTraceID, rowOf(traces, uint32(span)), x.TraceID[:]); err != nil {
		return err
	}
	for _, other := range acc.exemplars {
		if other.TraceID == x.TraceID {
			return nil
		}
	}
	acc.exemplars = append(acc.exemplars, x)
	l.exemplars--
	return nil
}

// measured is what a function needs of a span.
type measured struct {
	value  float64
	ok     bool // whether there is a value
	bucket bucket
	fits   bool // whether there is a bucket
	weight float64
}

// measure returns the function that takes the measure of a span.
func (l *seriesLeaf) measure(e *evaluation) (func(span int) measured, error) {
	weight := func(int) float64 { return 1 }
	if l.weighted {
		weight = e.weights()
	}
	if l.x.Attr == nil {
		return func(span int) measured { return measured{value: 1, ok: true, weight: weight(span)} }, nil
	}
	f := fieldOf(l.x.Attr)
	if f.Intrinsic == IntrinsicDuration {
		d, err := e.numbers(IntrinsicDuration)
		return func(span int) measured {
			b, fits := bucketOf(uint64(d[span]), true)
			return measured{float64(uint64(d[span])) / 1e9, true, b, fits, weight(span)}
		}, err
	}
	room := make([]Value, 0, 8)
	return func(span int) measured {
		values := e.reader.values(f, span, room)
		if len(values) != 1 || !values[0].numeric() {
			return measured{}
		}
		m := measured{value: values[0].Float(), ok: true, weight: weight(span)}
		if v := values[0]; v.Type != TypeFloat && v.Num > 0 {
			m.bucket, m.fits = bucketOf(uint64(v.Num), v.Type == TypeDuration)
		}
		return m
	}, nil
}

// bucketOf has no bucket for 0 and 1. Numbers beyond 2^53 are rounded, as all
// floats are.
func bucketOf(n uint64, seconds bool) (bucket, bool) {
	fraction, exponent := math.Frexp(float64(n))
	if fraction == 0.5 {
		exponent--
	}
	return bucket{exponent, seconds}, n >= 2
}

// add takes a value into account. Its error says that there is no room for it.
func (l *seriesLeaf) add(acc *accumulator, step int, v measured) error {
	if !v.ok {
		return nil
	}
	switch l.x.Func {
	case MetricRate, MetricCount:
		acc.count[step] += v.weight
	case MetricSum, MetricAvg:
		acc.count[step] += v.weight
		acc.sum[step] += v.value * v.weight
	case MetricMin:
		if old := acc.extreme[step]; math.IsNaN(old) || v.value < old {
			acc.extreme[step] = v.value
		}
	case MetricMax:
		if old := acc.extreme[step]; math.IsNaN(old) || v.value > old {
			acc.extreme[step] = v.value
		}
	default:
		if !v.fits {
			return nil
		}
		counts, ok := acc.buckets[v.bucket]
		if !ok {
			cells, lines := l.steps.n, 0
			if l.x.Func == MetricHistogram {
				lines = 1
			} else if len(acc.buckets) == 0 {
				lines = len(l.x.Quantiles)
				cells += lines * l.steps.n
			}
			if err := l.take(acc, cells, int64(lines)*acc.line); err != nil {
				return err
			}
			counts = make([]float64, l.steps.n)
			acc.buckets[v.bucket] = counts
		}
		counts[step] += v.weight
	}
	return nil
}

func (l *seriesLeaf) series() []*line {
	var out []*line
	for g, acc := range l.accs {
		if acc.lost {
			continue
		}
		labels := l.groups.labels(g, l.x.By)
		switch l.x.Func {
		case MetricHistogram:
			out = append(out, acc.histogram(labels)...)
		case MetricQuantile:
			out = append(out, acc.quantiles(labels, l.x.Quantiles, l.steps.n)...)
		default:
			if len(l.x.By) == 0 {
				labels = []MetricLabel{{labelName, StringValue(l.x.Func.String())}}
			}
			out = append(out, &line{labels, l.values(acc), acc.exemplars})
		}
	}
	return out
}

func (l *seriesLeaf) values(acc *accumulator) []float64 {
	switch l.x.Func {
	case MetricCount:
		return slices.Clone(acc.count)
	case MetricMin, MetricMax:
		return slices.Clone(acc.extreme)
	}
	out := missing(l.steps.n)
	for i, n := range acc.count {
		switch {
		case l.x.Func == MetricRate:
			out[i] = n / (float64(l.steps.step) / 1e9)
		case n == 0:
		case l.x.Func == MetricAvg:
			out[i] = acc.sum[i] / n
		default:
			out[i] = acc.sum[i]
		}
	}
	return out
}
