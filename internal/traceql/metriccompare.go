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
	over      error                     // why values were left out
	full      bool                      // for good: what is taken later would lack spans
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

func (l *compareLeaf) find(e *evaluation) (*Bitmap, error) { return l.plan.find(e) }

// comparedIntrinsics are counted besides attributes.
var comparedIntrinsics = []Intrinsic{IntrinsicName, IntrinsicKind, IntrinsicStatus, IntrinsicStatusMessage,
	IntrinsicRootName, IntrinsicRootService, IntrinsicInstrumentationName, IntrinsicInstrumentationVersion}

func (l *compareLeaf) observe(e *evaluation, found *Bitmap) error {
	fields, err := comparedFields(e)
	if err != nil {
		return err
	}
	places, err := l.places(e, found)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		if err := l.count(e, f, places); err != nil {
			return err
		}
	}
	return l.over
}

// comparePlace is where a span counts: on which side and in which step. It is not in
// the answer if step is negative.
type comparePlace struct {
	side uint8
	step int32
}

func (l *compareLeaf) places(e *evaluation, found *Bitmap) ([]comparePlace, error) {
	start, err := e.numbers(IntrinsicStart)
	if err != nil {
		return nil, err
	}
	chosen, err := l.selection.find(e)
	if err != nil {
		return nil, err
	}
	places := make([]comparePlace, e.spans)
	for i := range places {
		t := start[i]
		places[i].step = -1
		if found.Has(i) {
			places[i].step = int32(l.steps.index(uint64(t)))
		}
		if chosen.Has(i) && (l.x.Start == 0 || t >= l.x.Start) && (l.x.End == 0 || t < l.x.End) {
			places[i].side = selected
		}
	}
	return places, nil
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

// count goes through the values of a column, not through the spans: most spans
// do not have most attributes.
func (l *compareLeaf) count(e *evaluation, f Field, places []comparePlace) error {
	v, err := e.column(f, nil)
	if err != nil {
		return err
	}
	var offsets []uint32
	if f.Level() != LevelSpan {
		if offsets, err = e.offsets(f.Level()); err != nil {
			return err
		}
	}
	for k := range v.Parts {
		l.part(f, &v.Parts[k], offsets, places)
	}
	return nil
}

func (l *compareLeaf) part(f Field, p *Part, offsets []uint32, places []comparePlace) {
	known := make([][2]*counted, len(p.Dict))
	for i, n := 0, p.Len(); i < n; {
		var cached *[2]*counted
		if p.Dict != nil {
			cached = &known[p.IDs[i]]
		}
		row, first := p.Row(i), i
		for i++; i < n && p.Row(i) == row; i++ { // an array
			cached = nil
		}
		from, to := row, row+1
		if offsets != nil {
			from, to = offsets[row], offsets[row+1]
		}
		for _, place := range places[from:to] {
			if place.step < 0 {
				continue
			}
			var c *counted
			if cached != nil {
				c = cached[place.side]
			}
			if c == nil {
				c = l.counted(f, p.joined(first, i), place.side)
				if cached != nil {
					cached[place.side] = c
				}
			}
			if c.total != nil {
				c.total[place.step]++
			}
			if c.value != nil {
				c.value[place.step]++
			}
		}
	}
}

// joined is the values from first up to last as one.
func (p *Part) joined(first, last int) Value {
	if last == first+1 {
		return p.Value(first)
	}
	var values []Value
	for ; first < last; first++ {
		values = append(values, p.Value(first))
	}
	return single(values)
}

// counted is where a value counts, by step: for its attribute and for itself. nil is
// what there was no room for.
type counted struct{ total, value []float64 }

func (l *compareLeaf) counted(f Field, v Value, side uint8) *counted {
	counts := l.sides[side][f]
	if counts == nil {
		if !l.take(f, Value{}) {
			return &counted{}
		}
		counts = &valueCounts{total: make([]float64, l.steps.n), values: map[Value][]float64{}}
		l.sides[side][f] = counts
	}
	by, ok := counts.values[v]
	switch {
	case ok:
	case len(counts.values) >= l.budget.values() && l.over != nil:
	case len(counts.values) >= l.budget.values():
		l.over = fmt.Errorf("%w: compare() finds more than %d values of %v", ErrOverBudget, l.budget.values(), f)
	case l.take(f, v):
		by = make([]float64, l.steps.n)
		counts.values[v.detached()] = by
	}
	return &counted{counts.total, by}
}

// take says whether there is room for the series of a value.
func (l *compareLeaf) take(f Field, v Value) bool {
	if l.full {
		return false
	}
	if l.cells += l.steps.n; l.cells > maxCells {
		l.over = fmt.Errorf("%w: compare() counts more than %d values", ErrOverBudget, maxCells)
		l.full = true
		return false
	}
	bytes := int64(cellBytes*l.steps.n+len(v.Str)) + lineBytes([]MetricLabel{{f.attribute().Label(), v}})
	if err := l.budget.hold(bytes); err != nil {
		l.over, l.full = err, true
	}
	return !l.full
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
	type frequency struct {
		v     Value
		total float64
	}
	all := make([]frequency, 0, len(c.values))
	for v, by := range c.values {
		sum := 0.0
		for _, k := range by {
			sum += k
		}
		all = append(all, frequency{v, sum})
	}
	slices.SortFunc(all, func(a, b frequency) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.v.String(), b.v.String()),
			cmp.Compare(a.v.Type, b.v.Type))
	})
	var out []Value
	for _, one := range all[:min(n, len(all))] {
		out = append(out, one.v)
	}
	return out
}
