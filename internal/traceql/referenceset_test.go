package traceql

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

func (r *reference) filter(f *Filter, s *plainSpan) bool {
	one := &reference{all: true}
	if f.Expr != nil {
		one.collect(f.Expr)
		if !r.isTrue(f.Expr, s) {
			return false
		}
	}
	if !r.all {
		return r.every || r.met(s)
	}
	rows := map[Level][]bool{}
	counts := map[Level]int{}
	for _, c := range one.conds {
		absent := c.op == OpEq && c.lit.Kind == TypeNil
		if !absent && !r.found(s, c) {
			return false
		}
		if l := c.field.Level(); (l == LevelEvent || l == LevelLink) && !absent {
			counts[l]++
			match := r.rows(s, c.field, c.op, c.lit)
			if n := map[Level]int{LevelEvent: len(s.events), LevelLink: len(s.links)}[l]; len(match) != n || n == 0 {
				match = nil
			}
			if counts[l] == 1 {
				rows[l] = match
				continue
			}
			for i := range rows[l] {
				rows[l][i] = rows[l][i] && i < len(match) && match[i]
			}
		}
	}
	for l, n := range counts {
		if n > 1 && !slices.Contains(rows[l], true) {
			return false
		}
	}
	return true
}

func (r *reference) met(s *plainSpan) bool {
	return slices.ContainsFunc(r.conds, func(c refCond) bool { return r.found(s, c) })
}

// found says whether any value of a condition's field is found for a span.
func (r *reference) found(s *plainSpan, c refCond) bool {
	if c.op == OpEq && c.lit.Kind == TypeNil {
		return r.match(s, c.field, c.op, c.lit)
	}
	for _, f := range scoped(c.field) {
		for _, finder := range r.finders(f, c) {
			if r.match(s, f, finder.op, finder.lit) {
				return true
			}
		}
	}
	return false
}

func scoped(f Field) []Field {
	if unscoped(f) {
		return []Field{spanField(f), resourceField(f)}
	}
	return []Field{f}
}

// finders are the conditions that find values of a field.
func (r *reference) finders(f Field, own refCond) []refCond {
	if !listed(f) {
		return []refCond{own}
	}
	var out []refCond
	for _, c := range r.conds {
		for _, of := range scoped(c.field) {
			if of.Scope == f.Scope && listed(of) && (c.op != OpEq || c.lit.Kind != TypeNil) {
				out = append(out, c)
			}
		}
	}
	return out
}

// finds says whether the conditions find a value of an attribute.
func (r *reference) finds(f Field, v Value) bool {
	for _, f := range scoped(f) {
		if !listed(f) {
			continue
		}
		for _, c := range r.finders(f, refCond{}) {
			if c.op == OpNone || c.lit.Kind == TypeNil || c.lit.Kind == v.Type && r.compare(f, c.op, v, c.lit) {
				return true
			}
		}
	}
	return false
}

func (r *reference) run(stages []Stage, sets []refSet) []refSet {
	for _, stage := range stages {
		var out []refSet
		for _, set := range sets {
			out = append(out, r.stage(stage, set)...)
		}
		if _, ok := stage.(*Coalesce); ok && len(out) > 0 {
			one := refSet{}
			for _, set := range out {
				one.spans = append(one.spans, set.spans...)
			}
			out = []refSet{one}
		}
		sets = out
	}
	return sets
}

func (r *reference) stage(stage Stage, set refSet) []refSet {
	switch x := stage.(type) {
	case *Filter:
		if kept := r.find(x, set.spans); len(kept) > 0 {
			return []refSet{{kept, set.attrs}}
		}
		return nil
	case *SpansetBinary:
		if kept := r.find(x, set.spans); len(kept) > 0 {
			return []refSet{{kept, set.attrs}}
		}
		return nil
	case *Group:
		var out []refSet
		index := map[Value]int{}
		for _, s := range set.spans {
			v := StringValue("nil")
			if values := r.eval(x.Expr, s); len(values) == 1 {
				v = values[0]
			} else if len(values) > 1 {
				var parts []string
				for _, one := range values {
					parts = append(parts, one.String())
				}
				v = StringValue("[" + strings.Join(parts, ",") + "]")
			}
			i, ok := index[v]
			if !ok {
				i = len(out)
				index[v] = i
				out = append(out, refSet{attrs: append(slices.Clone(set.attrs), label(x)+"="+fmt.Sprint(v))})
			}
			out[i].spans = append(out[i].spans, s)
		}
		return out
	case *ScalarFilter:
		v, ok := r.aggregate(x.Agg, set.spans)
		lit := Value{Type: x.Value.Kind, Num: x.Value.Int}
		if x.Value.Kind == TypeFloat {
			lit = FloatValue(x.Value.Float)
		}
		if !ok || !refHolds(x.Op, v, lit) {
			return nil
		}
		return []refSet{{set.spans, append(slices.Clone(set.attrs), label(x.Agg)+"="+fmt.Sprint(v))}}
	default:
		return []refSet{set}
	}
}

func (r *reference) aggregate(a *Aggregate, spans []*plainSpan) (Value, bool) {
	if a.Func == AggregateCount {
		return IntValue(int64(len(spans))), true
	}
	var values []Value
	for _, s := range spans {
		for _, v := range r.eval(a.Expr, s) {
			if isNumber(v) {
				values = append(values, v)
			}
		}
	}
	for _, v := range values {
		if math.IsNaN(v.Float()) {
			return FloatValue(math.NaN()), true
		}
	}
	if len(values) == 0 {
		return Value{}, false
	}
	best, sum, uniform := values[0], 0.0, true
	whole := int64(0)
	for _, v := range values {
		if a.Func == AggregateMin && refHolds(OpLess, v, best) || a.Func == AggregateMax && refHolds(OpGreater, v, best) {
			best = v
		}
		sum += v.Float()
		whole += v.Num
		uniform = uniform && v.Type == values[0].Type && v.Type != TypeFloat
	}
	switch {
	case a.Func == AggregateMin || a.Func == AggregateMax:
		return best, true
	case a.Func == AggregateAvg && uniform && values[0].Type == TypeDuration:
		return DurationValue(int64(float64(whole) / float64(len(values)))), true
	case a.Func == AggregateAvg:
		return FloatValue(sum / float64(len(values))), true
	case uniform:
		return Value{Type: values[0].Type, Num: whole}, true
	default:
		return FloatValue(sum), true
	}
}

// find is the spans that an expression selects, in their order.
func (r *reference) find(x any, spans []*plainSpan) []*plainSpan {
	keep := func(is func(*plainSpan) bool) (out []*plainSpan) {
		for _, s := range spans {
			if is(s) {
				out = append(out, s)
			}
		}
		return out
	}
	switch x := x.(type) {
	case *Filter:
		return keep(func(s *plainSpan) bool { return r.filter(x, s) })
	case *Pipeline:
		found := map[*plainSpan]bool{}
		for _, set := range r.run(x.Stages, []refSet{{spans: spans}}) {
			for _, s := range set.spans {
				found[s] = true
			}
		}
		return keep(func(s *plainSpan) bool { return found[s] })
	}
	b := x.(*SpansetBinary)
	left, right := r.find(b.LHS, spans), r.find(b.RHS, spans)
	in := slices.Contains[[]*plainSpan]
	if b.Op == OpOr {
		return keep(func(s *plainSpan) bool { return in(left, s) || in(right, s) })
	}
	if len(left) == 0 || len(right) == 0 {
		return nil
	}
	if b.Op == OpAnd {
		return keep(func(s *plainSpan) bool { return in(left, s) || in(right, s) })
	}
	name := strings.TrimLeft(b.Op.String(), "!&")
	related := func(l, r *plainSpan) bool {
		switch {
		case b.Op == OpSibling || b.Op == OpNotSibling || b.Op == OpUnionSibling:
			return l != r && l.up != 0 && l.up == r.up
		case name == ">":
			return r.up > 0 && r.up == l.left
		case name == "<":
			return l.up > 0 && l.up == r.left
		case name == ">>":
			return l.left > 0 && l.left < r.left && r.right < l.right
		default:
			return r.left > 0 && r.left < l.left && l.right < r.right
		}
	}
	rightSide := func(s *plainSpan) bool {
		return in(right, s) && slices.ContainsFunc(left, func(l *plainSpan) bool { return related(l, s) })
	}
	switch text := b.Op.String(); {
	case text[0] == '!':
		return keep(func(s *plainSpan) bool { return in(right, s) && !rightSide(s) })
	case text[0] == '&':
		return keep(func(s *plainSpan) bool {
			return rightSide(s) || in(left, s) &&
				slices.ContainsFunc(right, func(r *plainSpan) bool { return related(s, r) })
		})
	default:
		return keep(rightSide)
	}
}

// answer is what a query finds in the traces: the span sets of each as text.
func (r *reference) answer(p *Pipeline, traces [][]*plainSpan) []string {
	var out []string
	for _, spans := range traces {
		in := stored(spans)
		if !r.every {
			switch p.Stages[0].(type) {
			case *Filter, *SpansetBinary:
			default:
				in = slices.DeleteFunc(slices.Clone(in), func(s *plainSpan) bool { return !r.met(s) })
			}
		}
		if len(in) == 0 {
			continue
		}
		for _, set := range r.run(p.Stages, []refSet{{spans: in}}) {
			var ids []int
			for _, s := range set.spans {
				ids = append(ids, int(s.id))
			}
			sort.Ints(ids)
			sort.Strings(set.attrs)
			out = append(out, fmt.Sprint(spans[0].trace[:2], ids, set.attrs))
		}
	}
	sort.Strings(out)
	return out
}
