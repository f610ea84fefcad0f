package traceql

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

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
func (r *reference) match(s *plainSpan, f Field, op Op, lit *Literal) bool {
	any := false
	for _, row := range r.rows(s, f, op, lit) {
		any = any || row
	}
	return any
}

// refRows says it for each event, link, or the span alone.
func (r *reference) rows(s *plainSpan, f Field, op Op, lit *Literal) (out []bool) {
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
	if childless && ((op == OpRegex || op == OpNotRegex) && f.Level() == LevelEvent || op == OpEq && f.Level() == LevelLink) {
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
			match = match || r.compare(f, op, v, lit)
		}
		out = append(out, match)
	}
	return out
}

func (r *reference) compare(f Field, op Op, v Value, lit *Literal) bool {
	number := func(t Type) bool { return t == TypeInt || t == TypeFloat || t == TypeDuration }
	if v.Type != lit.Kind && !(number(v.Type) && number(lit.Kind) && (f.Intrinsic != IntrinsicNone || r.finds(f, v))) {
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
	case op != OpEq && op != OpNotEq:
		return false
	default:
		equal = a.Num == b.Num
	}
	return map[Op]bool{OpEq: equal, OpNotEq: !equal, OpLess: less, OpLessEq: less || equal,
		OpGreater: !less && !equal, OpGreaterEq: !less}[op]
}

// refEval computes an expression for a span.
func (r *reference) eval(x FieldExpr, s *plainSpan) []Value {
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
		v := r.eval(x.X, s)
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
		left, right := r.isTrue(b.LHS, s), r.isTrue(b.RHS, s)
		if b.Op == OpAnd {
			return []Value{BoolValue(left && right)}
		}
		return []Value{BoolValue(left || right)}
	}
	if s != nil {
		if a, op, lit := refComparison(b); a != nil {
			return []Value{BoolValue(r.match(s, fieldOf(a), op, lit))}
		}
	}
	left, right := r.eval(b.LHS, s), r.eval(b.RHS, s)
	if b.Op.Arithmetic() {
		if len(left) != 1 || len(right) != 1 || !isNumber(left[0]) || !isNumber(right[0]) {
			return []Value{BoolValue(false)}
		}
		return refCompute(b.Op, left[0], right[0])
	}
	for _, v := range refOperand(b.LHS, left) {
		for _, w := range refOperand(b.RHS, right) {
			if refHolds(b.Op, v, w) {
				return []Value{BoolValue(true)}
			}
		}
	}
	return []Value{BoolValue(false)}
}

// refOperand is without the result of arithmetic that has none.
func refOperand(x FieldExpr, values []Value) []Value {
	if b, ok := x.(*Binary); ok && b.Op.Arithmetic() && len(values) == 1 && values[0].Type == TypeBool {
		return nil
	}
	return values
}

func isNumber(v Value) bool {
	return v.Type == TypeInt || v.Type == TypeFloat || v.Type == TypeDuration
}

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
		n := int64(1)
		for range max(0, min(x, 100)) {
			n *= y
		}
		return []Value{IntValue(n)}
	}
	x, y := a.Float(), b.Float()
	return []Value{FloatValue(map[Op]float64{OpAdd: x + y, OpSub: x - y, OpMul: x * y, OpDiv: x / y,
		OpMod: math.Mod(x, y), OpPow: math.Pow(x, y)}[op])}
}

func (r *reference) isTrue(x FieldExpr, s *plainSpan) bool {
	if a, ok := x.(*Attribute); ok {
		return r.match(s, fieldOf(a), OpEq, &Literal{Kind: TypeBool, Int: 1})
	}
	if u, ok := x.(*Unary); ok && u.Op == OpNot {
		if a, ok := u.X.(*Attribute); ok {
			return r.match(s, fieldOf(a), OpEq, &Literal{Kind: TypeBool})
		}
	}
	for _, v := range r.eval(x, s) {
		if v == BoolValue(true) {
			return true
		}
	}
	return false
}
