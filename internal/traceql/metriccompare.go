package traceql

import (
	"cmp"
	"fmt"
	"slices"
)

// compareLeaf counts the values of all attributes, apart for the spans of a
// selection and for the others.
type compareLeaf struct {
	x         *Compare
	plan      *plan
	selection *plan
	steps     timeSteps
	budget    *Budget
	cells     int
	sides     [2]map[Field]*valueCounts // baseline, selection
}

// valueCounts counts the spans that have an attribute, by value and step.
type valueCounts struct {
	total  []float64
	values map[Value][]float64
}

const (
	baseline = iota
	selected
)

var metaTypes = [2]string{"baseline", "selection"}

func newCompareLeaf(x *Compare, o *MetricsOptions, s timeSteps) (*compareLeaf, error) {
	p, err := compilePipeline(x.Spans)
	if err != nil {
		return nil, err
	}
	selection, err := compilePipeline(&Pipeline{Stages: []Stage{x.Selection}})
	l := &compareLeaf{x: x, plan: p, selection: selection, steps: s, budget: o.Budget}
	l.sides = [2]map[Field]*valueCounts{{}, {}}
	return l, err
}

func (l *compareLeaf) find(e *evaluation) ([]foundSpans, error) { return findSpans(l.plan, e) }

// comparedIntrinsics are counted besides attributes.
var comparedIntrinsics = []Intrinsic{IntrinsicName, IntrinsicKind, IntrinsicStatus, IntrinsicStatusMessage,
	IntrinsicRootName, IntrinsicRootService, IntrinsicInstrumentationName, IntrinsicInstrumentationVersion}

func (l *compareLeaf) observe(e *evaluation, found []foundSpans) error {
	fields, err := comparedFields(e)
	if err != nil {
		return err
	}
	start, err := e.numbers(IntrinsicStart)
	if err != nil {
		return err
	}
	chosen := NewBitmap(e.spans)
	err = l.selection.run(e, func(_ int, sets []spanset) error {
		for _, i := range flatten(sets) {
			t := start[i]
			if (l.x.Start == 0 || t >= l.x.Start) && (l.x.End == 0 || t < l.x.End) {
				chosen.Set(int(i))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range fields {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		if err := l.count(e, f, found, start, chosen); err != nil {
			return err
		}
	}
	return e.reader.err
}

func comparedFields(e *evaluation) ([]Field, error) {
	var fields []Field
	for _, i := range comparedIntrinsics {
		fields = append(fields, intrinsic(i))
	}
	err := e.batch.Keys(e.ctx, func(f Field) bool {
		if f.Scope == ScopeSpan || f.Scope == ScopeResource || f.Scope == ScopeInstrumentation {
			fields = append(fields, f)
		}
		return true
	})
	return fields, err
}

func (l *compareLeaf) count(e *evaluation, f Field, found []foundSpans, start []int64, chosen *Bitmap) error {
	room := make([]Value, 0, 8)
	for _, trace := range found {
		for _, i := range trace.spans {
			step := l.steps.index(uint64(start[i]))
			if step < 0 {
				continue
			}
			values := e.reader.values(f, int(i), room)
			if len(values) == 0 {
				continue
			}
			side := baseline
			if chosen.Has(int(i)) {
				side = selected
			}
			if err := l.add(side, f, single(values), step); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *compareLeaf) add(side int, f Field, v Value, step int) error {
	counts := l.sides[side][f]
	if counts == nil {
		counts = &valueCounts{total: make([]float64, l.steps.n), values: map[Value][]float64{}}
		l.sides[side][f] = counts
	}
	counts.total[step]++
	by, ok := counts.values[v]
	if !ok {
		if len(counts.values) >= l.budget.values() {
			return fmt.Errorf("%w: compare() finds more than %d values of %v", ErrOverBudget, l.budget.values(), f)
		}
		if l.cells += l.steps.n; l.cells > maxCells {
			return fmt.Errorf("%w: compare() counts more than %d values", ErrOverBudget, maxCells)
		}
		by = make([]float64, l.steps.n)
		counts.values[v] = by
	}
	by[step]++
	return nil
}

func (l *compareLeaf) series() []*line {
	var out []*line
	for side, fields := range l.sides {
		for f, counts := range fields {
			name := f.attribute().Label()
			for _, v := range counts.top(l.x.TopN) {
				out = append(out, &line{
					labels: []MetricLabel{{labelMeta, StringValue(metaTypes[side])}, {name, v}},
					values: slices.Clone(counts.values[v]),
				})
			}
			out = append(out, &line{
				labels: []MetricLabel{{labelMeta, StringValue(metaTypes[side] + "_total")}, {Name: name}},
				values: slices.Clone(counts.total),
			})
		}
	}
	return out
}

// top are the most frequent values; of equally frequent ones those whose text
// comes first.
func (c *valueCounts) top(n int) []Value {
	type counted struct {
		v     Value
		total float64
	}
	all := make([]counted, 0, len(c.values))
	for v, by := range c.values {
		sum := 0.0
		for _, k := range by {
			sum += k
		}
		all = append(all, counted{v, sum})
	}
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.v.String(), b.v.String()),
			cmp.Compare(a.v.Type, b.v.Type))
	})
	var out []Value
	for _, one := range all[:min(n, len(all))] {
		out = append(out, one.v)
	}
	return out
}
