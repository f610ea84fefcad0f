package traceql

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// The reference evaluates queries on plainSpans, one by one, as slowly and
// plainly as it can. It shares with the engine the syntax tree and Value alone.

// reference is the evaluation of one pipeline.
type reference struct {
	all   bool
	conds []refCond
	every bool // some filter says nothing, so that all spans count
}

type refCond struct {
	field Field
	op    Op // OpNone: the field is mentioned
	lit   *Literal
}

type refSet struct {
	spans []*plainSpan
	attrs []string
}

func newReference(p *Pipeline) *reference {
	r := &reference{all: true}
	filters := 0
	var walk func(any)
	walk = func(s any) {
		switch s := s.(type) {
		case *Pipeline:
			for _, x := range s.Stages {
				walk(x)
			}
		case *SpansetBinary:
			walk(s.LHS)
			walk(s.RHS)
		case *Filter:
			filters++
			before := len(r.conds)
			if s.Expr != nil {
				r.collect(s.Expr)
			}
			r.every = r.every || len(r.conds) == before
		case *Group:
			r.all = false
			r.other(s.Expr)
		case *ScalarFilter:
			if s.Agg.Expr != nil {
				r.all = false
				r.other(s.Agg.Expr)
			}
		}
	}
	walk(p)
	r.all = r.all && filters == 1
	r.every = r.every || len(r.conds) == 0
	return r
}

func (r *reference) other(x FieldExpr) {
	if u, ok := x.(*Unary); ok && u.Op == OpNot {
		if _, attr := u.X.(*Attribute); !attr {
			r.collect(x)
			return
		}
	}
	if b, ok := x.(*Binary); ok && !b.Op.Arithmetic() {
		r.collect(x)
		return
	}
	r.mention(x)
}

func (r *reference) collect(x FieldExpr) {
	switch x := x.(type) {
	case *Attribute:
		r.mention(x)
	case *Unary:
		r.collect(x.X)
	case *Binary:
		if x.Op == OpAnd || x.Op == OpOr {
			if x.Op == OpOr {
				r.all = false
			}
			_, l := x.LHS.(*Attribute)
			_, rr := x.RHS.(*Attribute)
			if l || rr {
				r.mention(x)
				return
			}
			r.collect(x.LHS)
			r.collect(x.RHS)
			return
		}
		if a, op, lit := refComparison(x); a != nil {
			r.conds = append(r.conds, refCond{fieldOf(a), op, lit})
			return
		}
		r.mention(x)
	}
}

func (r *reference) mention(x FieldExpr) {
	switch x := x.(type) {
	case *Attribute:
		r.conds = append(r.conds, refCond{field: fieldOf(x)})
	case *Unary:
		r.mention(x.X)
	case *Binary:
		if a, op, lit := refComparison(x); a != nil && op == OpEq && lit.Kind == TypeNil {
			r.conds = append(r.conds, refCond{fieldOf(a), op, lit})
			return
		}
		r.mention(x.LHS)
		r.mention(x.RHS)
	}
}

// refComparison takes a comparison of an attribute with a literal apart.
func refComparison(x *Binary) (*Attribute, Op, *Literal) {
	if !x.Op.Comparison() {
		return nil, 0, nil
	}
	if a, ok := x.LHS.(*Attribute); ok {
		if lit := refConstant(x.RHS); lit != nil {
			return a, x.Op, lit
		}
	}
	if a, ok := x.RHS.(*Attribute); ok && x.Op != OpRegex && x.Op != OpNotRegex {
		if lit := refConstant(x.LHS); lit != nil {
			flip := map[Op]Op{OpLess: OpGreater, OpLessEq: OpGreaterEq, OpGreater: OpLess, OpGreaterEq: OpLessEq}
			if f, ok := flip[x.Op]; ok {
				return a, f, lit
			}
			return a, x.Op, lit
		}
	}
	return nil, 0, nil
}

func refConstant(x FieldExpr) *Literal {
	switch x := x.(type) {
	case *Literal:
		return x
	case *Attribute:
		return nil
	case *Unary:
		if refConstant(x.X) == nil {
			return nil
		}
	case *Binary:
		if refConstant(x.LHS) == nil || refConstant(x.RHS) == nil {
			return nil
		}
	}
	v := refEval(x, nil)
	if len(v) != 1 {
		return &Literal{Kind: TypeNil}
	}
	return &Literal{Kind: v[0].Type, Int: v[0].Num, Float: v[0].Float(), Str: v[0].Str}
}

// known are values of a well-known attribute that fit it, odd the others.
func wellKnownValues(s *plainSpan, f Field) (known, odd []Value, keyed bool) {
	t, well := WellKnown(f)
	attrs := s.attrs
	switch f.Scope {
	case ScopeResource:
		attrs = s.res
	case ScopeInstrumentation:
		attrs = s.scope
	}
	values, keyed := attrs[f.Name]
	if f.Scope == ScopeResource && f.Name == "service.name" {
		known, keyed = []Value{StringValue(s.service)}, true
		if len(values) == 1 && values[0].Type == TypeString {
			return known, nil, true
		}
		return known, values, true
	}
	if well && (len(values) != 1 || values[0].Type != t) {
		return nil, values, keyed
	}
	return values, nil, keyed
}

// refValues is all values of a field: of events and links those of each.
func refValues(s *plainSpan, f Field) (perRow [][]Value) {
	one := func(v Value) [][]Value { return [][]Value{{v}} }
	switch f.Intrinsic {
	case IntrinsicName:
		return one(StringValue(s.name))
	case IntrinsicDuration:
		return one(DurationValue(s.end - s.start))
	case IntrinsicStatus:
		return one(Value{Type: TypeStatus, Num: s.status})
	case IntrinsicStatusMessage:
		return one(StringValue(s.message))
	case IntrinsicKind:
		return one(Value{Type: TypeKind, Num: s.kind})
	case IntrinsicSpanID:
		return one(StringValue(fmt.Sprintf("%x", plainID(s.id))))
	case IntrinsicParentID:
		if s.parent == 0 {
			return one(StringValue("0000000000000000"))
		}
		return one(StringValue(fmt.Sprintf("%x", plainID(s.parent))))
	case IntrinsicChildCount:
		return one(IntValue(s.children))
	case IntrinsicNestedSetLeft:
		return one(IntValue(s.left))
	case IntrinsicNestedSetRight:
		return one(IntValue(s.right))
	case IntrinsicNestedSetParent:
		return one(IntValue(s.up))
	case IntrinsicTraceID:
		return one(StringValue(strings.TrimLeft(fmt.Sprintf("%x", s.trace), "0")))
	case IntrinsicTraceDuration:
		return one(DurationValue(s.traceEnd - s.traceStart))
	case IntrinsicRootName:
		return one(StringValue(s.rootName))
	case IntrinsicRootService:
		return one(StringValue(s.rootService))
	case IntrinsicInstrumentationName:
		return one(StringValue(s.scopeName))
	case IntrinsicInstrumentationVersion:
		return one(StringValue(s.version))
	case IntrinsicEventName:
		if len(s.events) == 0 {
			return one(StringValue(""))
		}
		for _, e := range s.events {
			perRow = append(perRow, []Value{StringValue(e.name)})
		}
		return perRow
	case IntrinsicEventTimeSinceStart:
		if len(s.events) == 0 {
			return one(DurationValue(0))
		}
		for _, e := range s.events {
			perRow = append(perRow, []Value{DurationValue(e.since)})
		}
		return perRow
	case IntrinsicLinkSpanID:
		if len(s.links) == 0 {
			return one(StringValue("0000000000000000"))
		}
		for _, l := range s.links {
			perRow = append(perRow, []Value{StringValue(fmt.Sprintf("%x", plainID(l.span)))})
		}
		return perRow
	}
	switch f.Scope {
	case ScopeEvent:
		for _, e := range s.events {
			perRow = append(perRow, e.attrs[f.Name])
		}
	case ScopeLink:
		for _, l := range s.links {
			perRow = append(perRow, l.attrs[f.Name])
		}
	case ScopeNone:
		known, _, keyed := wellKnownValues(s, Field{Scope: ScopeSpan, Name: f.Name})
		if !keyed {
			known, _, _ = wellKnownValues(s, Field{Scope: ScopeResource, Name: f.Name})
		}
		perRow = [][]Value{known}
	default:
		known, _, _ := wellKnownValues(s, f)
		perRow = [][]Value{known}
	}
	return perRow
}

// refMatch says whether a comparison with a literal is true for any value.
func refMatch(s *plainSpan, f Field, op Op, lit *Literal) bool {
	any := false
	for _, row := range refRows(s, f, op, lit) {
		any = any || row
	}
	return any
}

// refRows says it for each event, link, or the span alone.
func refRows(s *plainSpan, f Field, op Op, lit *Literal) (out []bool) {
	rows := refValues(s, f)
	childless := f.Intrinsic != IntrinsicNone &&
		(f.Level() == LevelEvent && len(s.events) == 0 || f.Level() == LevelLink && len(s.links) == 0)
	if op == OpNone || op == OpNotEq && lit.Kind == TypeNil || op == OpEq && lit.Kind == TypeNil {
		has := false
		for _, row := range rows {
			out = append(out, len(row) > 0)
			has = has || len(row) > 0
		}
		if op == OpEq {
			return []bool{!has}
		}
		return out
	}
	if childless && (op == OpRegex || op == OpNotRegex || op == OpEq && f.Level() == LevelLink) {
		return nil
	}
	var odd []Value
	if unscoped(f) {
		own := Field{Scope: ScopeSpan, Name: f.Name}
		var keyed bool
		if _, odd, keyed = wellKnownValues(s, own); !keyed {
			own.Scope = ScopeResource
			_, odd, _ = wellKnownValues(s, own)
		}
	} else if f.Intrinsic == IntrinsicNone && f.Level() < LevelEvent {
		_, odd, _ = wellKnownValues(s, f)
	}
	t, well := WellKnown(f)
	if unscoped(f) {
		for _, scope := range []Scope{ScopeResource, ScopeSpan} {
			if kt, ok := WellKnown(Field{Scope: scope, Name: f.Name}); ok {
				t, well = kt, true
			}
		}
	}
	for _, row := range rows {
		if well && t != lit.Kind {
			row = slices.Concat(row, odd)
		}
		match := false
		for _, v := range row {
			match = match || refCompare(f, op, v, lit)
		}
		out = append(out, match)
	}
	return out
}

func refCompare(f Field, op Op, v Value, lit *Literal) bool {
	number := func(t Type) bool { return t == TypeInt || t == TypeFloat || t == TypeDuration }
	if v.Type != lit.Kind && !(f.Intrinsic != IntrinsicNone && number(v.Type) && number(lit.Kind)) {
		return false
	}
	if op == OpRegex || op == OpNotRegex {
		return regexp.MustCompile("^(?s:"+lit.Str+")$").MatchString(v.Str) == (op == OpRegex)
	}
	b := Value{Type: lit.Kind, Num: lit.Int, Str: lit.Str}
	if lit.Kind == TypeFloat {
		b = FloatValue(lit.Float)
	}
	if (f.Intrinsic == IntrinsicDuration || f.Intrinsic == IntrinsicTraceDuration) &&
		(op == OpLess && b.Float() <= 0 || (op == OpLessEq || op == OpEq) && b.Float() < 0) {
		return false
	}
	return refHolds(op, v, b)
}

func refHolds(op Op, a, b Value) bool {
	number := func(v Value) bool { return v.Type == TypeInt || v.Type == TypeFloat || v.Type == TypeDuration }
	var less, equal bool
	switch {
	case number(a) && number(b):
		x, y := a.Float(), b.Float()
		less, equal = x < y, x == y
		if x != x || y != y {
			return op == OpNotEq
		}
	case a.Type != b.Type:
		return false
	case a.Type == TypeString:
		less, equal = a.Str < b.Str, a.Str == b.Str
	default:
		less, equal = a.Num < b.Num, a.Num == b.Num
	}
	return map[Op]bool{OpEq: equal, OpNotEq: !equal, OpLess: less, OpLessEq: less || equal,
		OpGreater: !less && !equal, OpGreaterEq: !less}[op]
}

// refEval computes an expression for a span.
func refEval(x FieldExpr, s *plainSpan) []Value {
	switch x := x.(type) {
	case *Literal:
		switch x.Kind {
		case TypeNil:
			return nil
		case TypeFloat:
			return []Value{FloatValue(x.Float)}
		}
		return []Value{{Type: x.Kind, Num: x.Int, Str: x.Str}}
	case *Attribute:
		for _, row := range refValues(s, fieldOf(x)) {
			if len(row) > 0 {
				return row
			}
		}
		return nil
	case *Unary:
		v := refEval(x.X, s)
		if len(v) != 1 {
			return nil
		}
		switch {
		case x.Op == OpNot && v[0].Type == TypeBool:
			return []Value{BoolValue(v[0].Num == 0)}
		case x.Op == OpSub && v[0].Type == TypeFloat:
			return []Value{FloatValue(-v[0].Float())}
		case x.Op == OpSub && (v[0].Type == TypeInt || v[0].Type == TypeDuration):
			return []Value{{Type: v[0].Type, Num: -v[0].Num}}
		}
		return nil
	}
	b := x.(*Binary)
	if b.Op == OpAnd || b.Op == OpOr {
		l, r := refTrue(b.LHS, s), refTrue(b.RHS, s)
		if b.Op == OpAnd {
			return []Value{BoolValue(l && r)}
		}
		return []Value{BoolValue(l || r)}
	}
	if s != nil {
		if a, op, lit := refComparison(b); a != nil {
			return []Value{BoolValue(refMatch(s, fieldOf(a), op, lit))}
		}
	}
	l, r := refEval(b.LHS, s), refEval(b.RHS, s)
	if b.Op.Arithmetic() {
		if len(l) != 1 || len(r) != 1 || math.IsNaN(numberOf(l[0])) || math.IsNaN(numberOf(r[0])) {
			return []Value{BoolValue(false)}
		}
		return refCompute(b.Op, l[0], r[0])
	}
	for _, v := range l {
		for _, w := range r {
			if refHolds(b.Op, v, w) {
				return []Value{BoolValue(true)}
			}
		}
	}
	return []Value{BoolValue(false)}
}

// numberOf is NaN for what is not a number; random spans have no NaN.
func numberOf(v Value) float64 { return v.Float() }

func refCompute(op Op, a, b Value) []Value {
	if a.Type == TypeInt && b.Type == TypeInt {
		x, y := a.Num, b.Num
		switch op {
		case OpAdd:
			return []Value{IntValue(x + y)}
		case OpSub:
			return []Value{IntValue(x - y)}
		case OpMul:
			return []Value{IntValue(x * y)}
		case OpDiv, OpMod:
			if y == 0 {
				return nil
			}
			if op == OpDiv {
				return []Value{IntValue(x / y)}
			}
			return []Value{IntValue(x % y)}
		}
		if x < 0 {
			return []Value{IntValue(map[int64]int64{1: 1, -1: 1 - 2*(x&1)}[y])}
		}
		n := int64(1)
		for range min(x, 100) {
			n *= y
		}
		return []Value{IntValue(n)}
	}
	x, y := a.Float(), b.Float()
	return []Value{FloatValue(map[Op]float64{OpAdd: x + y, OpSub: x - y, OpMul: x * y, OpDiv: x / y,
		OpMod: math.Mod(x, y), OpPow: math.Pow(x, y)}[op])}
}

func refTrue(x FieldExpr, s *plainSpan) bool {
	if a, ok := x.(*Attribute); ok {
		return refMatch(s, fieldOf(a), OpEq, &Literal{Kind: TypeBool, Int: 1})
	}
	if u, ok := x.(*Unary); ok && u.Op == OpNot {
		if a, ok := u.X.(*Attribute); ok {
			return refMatch(s, fieldOf(a), OpEq, &Literal{Kind: TypeBool})
		}
	}
	for _, v := range refEval(x, s) {
		if v == BoolValue(true) {
			return true
		}
	}
	return false
}

func (r *reference) filter(f *Filter, s *plainSpan) bool {
	one := &reference{all: true}
	if f.Expr != nil {
		one.collect(f.Expr)
		if !refTrue(f.Expr, s) {
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
		if !absent && !unscoped(c.field) && !refMatch(s, c.field, c.op, c.lit) {
			return false
		}
		if l := c.field.Level(); (l == LevelEvent || l == LevelLink) && !absent {
			counts[l]++
			match := refRows(s, c.field, c.op, c.lit)
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
	for _, c := range r.conds {
		if refMatch(s, c.field, c.op, c.lit) {
			return true
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
			if values := refEval(x.Expr, s); len(values) == 1 {
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
				out = append(out, refSet{attrs: append(slices.Clone(set.attrs), x.String()+"="+fmt.Sprint(v))})
			}
			out[i].spans = append(out[i].spans, s)
		}
		return out
	case *ScalarFilter:
		v, ok := refAggregate(x.Agg, set.spans)
		lit := Value{Type: x.Value.Kind, Num: x.Value.Int}
		if x.Value.Kind == TypeFloat {
			lit = FloatValue(x.Value.Float)
		}
		if !ok || !refHolds(x.Op, v, lit) {
			return nil
		}
		return []refSet{{set.spans, append(slices.Clone(set.attrs), x.Agg.String()+"="+fmt.Sprint(v))}}
	default:
		return []refSet{set}
	}
}

func refAggregate(a *Aggregate, spans []*plainSpan) (Value, bool) {
	if a.Func == AggregateCount {
		return IntValue(int64(len(spans))), true
	}
	var values []Value
	for _, s := range spans {
		for _, v := range refEval(a.Expr, s) {
			if !math.IsNaN(v.Float()) {
				values = append(values, v)
			}
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
