package traceql

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// timeSteps are the points in time of an answer.
type timeSteps struct {
	start, end uint64 // Unix nanoseconds; end is not included
	step       uint64
	n          int // samples
	instant    bool
}

func newSteps(o MetricsOptions) (timeSteps, error) {
	if o.End <= o.Start {
		return timeSteps{}, fmt.Errorf("compute metrics: the end, %d, is not after the start, %d", o.End, o.Start)
	}
	if o.Step == 0 {
		return timeSteps{o.Start, o.End, o.End - o.Start, 1, true}, nil
	}
	s := timeSteps{start: o.Start - o.Start%o.Step, step: o.Step}
	last := (o.End - s.start + o.Step - 1) / o.Step // from start to the aligned end
	if last >= uint64(o.Budget.steps()) {
		return timeSteps{}, fmt.Errorf("compute metrics: the time has %d steps of %d ns, of at most %d; use a longer step",
			last+1, o.Step, o.Budget.steps())
	}
	s.n = int(last) + 1
	s.end = s.start + last*o.Step
	return s, nil
}

// index is the step in which a time lies, or -1.
func (s *timeSteps) index(t uint64) int {
	if t < s.start || t >= s.end {
		return -1
	}
	return int((t - s.start) / s.step)
}

// time is the time of a step in Unix milliseconds.
func (s *timeSteps) time(i int) int64 { return int64((s.start + uint64(i)*s.step) / 1e6) }

// line is a series while it is computed: a value for each step, NaN where there
// is none.
type line struct {
	labels    []MetricLabel
	values    []float64
	exemplars []MetricExemplar
}

// answer turns lines into series, and leaves out those without any sample.
func (s *timeSteps) answer(lines []*line) []MetricSeries {
	type named struct {
		name   string
		series MetricSeries
	}
	var all []named
	for _, l := range lines {
		series := MetricSeries{Labels: l.labels, Exemplars: l.exemplars}
		series.Samples = make([]MetricSample, 0, len(l.values))
		for i, v := range l.values {
			if !math.IsNaN(v) {
				series.Samples = append(series.Samples, MetricSample{s.time(i), v})
			}
		}
		if len(series.Samples) > 0 {
			all = append(all, named{promLabels(l.labels), series})
		}
	}
	slices.SortStableFunc(all, func(a, b named) int { return cmp.Compare(a.name, b.name) })
	out := make([]MetricSeries, len(all))
	for i, n := range all {
		out[i] = n.series
	}
	return out
}

func missing(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = math.NaN()
	}
	return values
}
