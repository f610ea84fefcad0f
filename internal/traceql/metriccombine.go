package traceql

import (
	"cmp"
	"math"
	"slices"
)

// topNode keeps at each step the n series with the highest values, or the
// lowest. Of equal ones those with the lower labels stay.
type topNode struct {
	x      metricNode
	n      int
	bottom bool
	steps  int
}

func (t topNode) series() []*line {
	lines := t.x.series()
	names := make([]string, len(lines))
	out := make([]*line, len(lines))
	for i, l := range lines {
		names[i] = promLabels(l.labels)
		out[i] = &line{l.labels, missing(t.steps), l.exemplars}
	}
	for step := range t.steps {
		var order []int
		for i, l := range lines {
			if !math.IsNaN(l.values[step]) {
				order = append(order, i)
			}
		}
		slices.SortFunc(order, func(a, b int) int {
			c := cmp.Compare(lines[b].values[step], lines[a].values[step])
			if t.bottom {
				c = -c
			}
			return cmp.Or(c, cmp.Compare(names[a], names[b]))
		})
		for _, i := range order[:min(t.n, len(order))] {
			out[i].values[step] = lines[i].values[step]
		}
	}
	return out
}

// numberNode is a number in the arithmetic of metrics.
type numberNode struct{ f float64 }

func (numberNode) series() []*line { return nil }

// binaryNode computes with the series of both sides that have the same labels,
// the name of the metric apart. A comparison keeps the left side's samples for
// which it is true.
type binaryNode struct {
	op   Op
	l, r metricNode
}

func (b binaryNode) series() []*line {
	left, number := b.l.(numberNode)
	if number {
		return b.each(b.r.series(), func(*line) sides {
			return func(_ int, v float64) (float64, float64) { return left.f, v }
		})
	}
	if right, number := b.r.(numberNode); number {
		return b.each(b.l.series(), func(*line) sides {
			return func(_ int, v float64) (float64, float64) { return v, right.f }
		})
	}
	other := map[string]*line{}
	for _, l := range b.r.series() {
		other[matchKey(l.labels)] = l
	}
	lines := slices.DeleteFunc(b.l.series(), func(l *line) bool { return other[matchKey(l.labels)] == nil })
	return b.each(lines, func(l *line) sides {
		values := other[matchKey(l.labels)].values
		return func(i int, v float64) (float64, float64) { return v, values[i] }
	})
}

// matchKey is the labels without the name of the metric.
func matchKey(labels []MetricLabel) string {
	return promLabels(slices.DeleteFunc(slices.Clone(labels), func(l MetricLabel) bool {
		return l.Name == labelName
	}))
}

// sides says what is on the two sides of the operator, at a step where a line has a
// value.
type sides func(step int, v float64) (left, right float64)

// each computes new lines.
func (b binaryNode) each(lines []*line, of func(*line) sides) []*line {
	out := make([]*line, len(lines))
	for k, l := range lines {
		out[k] = &line{l.labels, missing(len(l.values)), l.exemplars}
		operands := of(l)
		for i, v := range l.values {
			x, y := operands(i, v)
			switch {
			case math.IsNaN(v):
			case b.op.Arithmetic():
				out[k].values[i] = computeFloats(b.op, x, y)
			case compareFloats(b.op, x, y):
				out[k].values[i] = v
			}
		}
	}
	return out
}
