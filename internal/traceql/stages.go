package traceql

import (
	"math"
	"strings"
)

type filterStage struct{ f *filter }

func (s filterStage) lead(p *plan, e *evaluation) (*Bitmap, error) { return s.f.spans(p, e) }

func (s filterStage) run(t *trace, in []spanset) ([]spanset, error) {
	m, err := s.f.spans(t.p, t.e)
	if err != nil {
		return nil, err
	}
	out := in[:0]
	for _, set := range in {
		kept := set.spans[:0:0]
		for _, i := range set.spans {
			if m.Has(int(i)) {
				kept = append(kept, i)
			}
		}
		if len(kept) > 0 {
			out = append(out, spanset{kept, set.attrs})
		}
	}
	return out, nil
}

// coalesceStage makes one set of all, and forgets what was found out about
// them.
type coalesceStage struct{}

func (coalesceStage) run(_ *trace, in []spanset) ([]spanset, error) {
	return []spanset{{spans: flatten(in)}}, nil
}

// flatten is the union of all sets.
func flatten(in []spanset) []uint32 {
	var out []uint32
	for _, set := range in {
		out = union(out, set.spans)
	}
	return out
}

// union merges two ascending lists.
func union(a, b []uint32) []uint32 {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// groupStage splits each set by the values of an expression.
type groupStage struct {
	name string
	x    expr
}

func (c *compiler) group(s *Group) (stage, error) {
	x, err := c.other(s.Expr)
	return groupStage{label(s), x}, err
}

func (s groupStage) run(t *trace, in []spanset) ([]spanset, error) {
	var out []spanset
	room := make([]Value, 0, 8)
	for _, set := range in {
		groups := map[Value]int{}
		for n, i := range set.spans {
			if n%checkExprs == 0 && t.e.ctx.Err() != nil {
				return nil, t.e.ctx.Err()
			}
			v := single(s.x.eval(t.e.reader, int(i), room))
			at, ok := groups[v]
			if !ok {
				at = len(out)
				groups[v] = at
				attrs := append(set.attrs[:len(set.attrs):len(set.attrs)], NamedValue{s.name, []Value{v}})
				out = append(out, spanset{attrs: attrs})
			}
			out[at].spans = append(out[at].spans, i)
		}
	}
	return out, nil
}

// single is one value for what by() was given: an array is written out.
func single(values []Value) Value {
	switch len(values) {
	case 0:
		return StringValue("nil")
	case 1:
		return values[0]
	}
	var text strings.Builder
	text.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(v.String())
	}
	text.WriteByte(']')
	return StringValue(text.String())
}

// scalarStage keeps the sets whose aggregate compares with a number.
type scalarStage struct {
	name  string
	fn    AggregateFunc
	x     expr // nil for count()
	op    Op
	value Value
}

func (c *compiler) scalar(s *ScalarFilter) (stage, error) {
	out := scalarStage{name: label(s.Agg), fn: s.Agg.Func, op: s.Op, value: literalValue(s.Value)}
	if s.Agg.Expr == nil {
		return out, nil
	}
	var err error
	out.x, err = c.other(s.Agg.Expr)
	return out, err
}

func (s scalarStage) run(t *trace, in []spanset) ([]spanset, error) {
	out := in[:0]
	for _, set := range in {
		v, ok := s.aggregate(t, set.spans)
		if err := t.e.ctx.Err(); err != nil {
			return nil, err
		}
		if !ok || !compareValues(s.op, v, s.value) {
			continue
		}
		set.attrs = append(set.attrs[:len(set.attrs):len(set.attrs)], NamedValue{s.name, []Value{v}})
		out = append(out, set)
	}
	return out, nil
}

// aggregate has no result if no span has a number. It ends early with its context.
func (s scalarStage) aggregate(t *trace, spans []uint32) (Value, bool) {
	if s.x == nil {
		return IntValue(int64(len(spans))), true
	}
	var (
		sum  Value
		n    int
		room = make([]Value, 0, 8)
	)
	for k, i := range spans {
		if k%checkExprs == 0 && t.e.ctx.Err() != nil {
			break
		}
		for _, v := range s.x.eval(t.e.reader, int(i), room) {
			if !v.numeric() {
				continue
			}
			if n++; n == 1 {
				sum = v
			} else {
				sum = s.fold(sum, v)
			}
		}
	}
	if s.fn == AggregateAvg && n > 0 {
		mean := sum.Float() / float64(n)
		if sum.Type == TypeDuration {
			return DurationValue(int64(mean)), true
		}
		return FloatValue(mean), true
	}
	return sum, n > 0
}

// fold keeps of equal numbers the first. NaN makes everything NaN.
func (s scalarStage) fold(a, b Value) Value {
	switch {
	case s.fn == AggregateSum || s.fn == AggregateAvg:
		if a.Type == b.Type && a.Type != TypeFloat {
			return Value{Type: a.Type, Num: a.Num + b.Num}
		}
		return FloatValue(a.Float() + b.Float())
	case math.IsNaN(a.Float()) || math.IsNaN(b.Float()):
		return FloatValue(math.NaN())
	case s.fn == AggregateMin && compareValues(OpLess, b, a), s.fn == AggregateMax && compareValues(OpGreater, b, a):
		return b
	default:
		return a
	}
}
