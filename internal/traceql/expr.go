package traceql

import (
	"math"
)

// expr computes an expression for one span after the other. Comparisons of a
// field with a value have a faster way (see filter.go); this one is for the
// rest: arithmetic, comparisons of fields with each other, by().
type expr interface {
	// eval appends what the expression is for a span: nothing if that is
	// missing, several values for an array.
	eval(r *rows, span int, dst []Value) []Value
}

type (
	constExpr struct{ v Value }
	fieldExpr struct{ field Field }
	notExpr   struct{ x expr }
	minusExpr struct{ x expr }
	logicExpr struct {
		op   Op // OpAnd or OpOr
		l, r expr
	}
	compareExpr struct {
		op   Op
		l, r expr
	}
	matchExpr   condition // whose predicate is not nil
	presentExpr struct {
		x       expr
		present bool
	}
	regexExpr struct {
		x   expr
		re  *Regexp
		not bool
	}
	arithmeticExpr struct {
		op   Op
		l, r expr
	}
)

func compileExpr(x FieldExpr) (expr, error) {
	switch x := x.(type) {
	case *Literal:
		return constExpr{literalValue(x)}, nil
	case *Attribute:
		return fieldExpr{fieldOf(x)}, nil
	case *Unary:
		inner, err := compileExpr(x.X)
		if x.Op == OpNot {
			return notExpr{inner}, err
		}
		return minusExpr{inner}, err
	case *Binary:
		return compileBinary(x)
	}
	return nil, errorAt(x.Position(), "%s cannot be evaluated", x)
}

func compileBinary(x *Binary) (expr, error) {
	if attr, op, lit := comparison(x); attr != nil {
		p, err := newPredicate(fieldOf(attr), op, lit)
		return matchExpr{field: fieldOf(attr), pred: p}, err
	}
	if x.Op == OpAnd || x.Op == OpOr {
		l, err := compileTruth(x.LHS)
		if err != nil {
			return nil, err
		}
		r, err := compileTruth(x.RHS)
		return logicExpr{x.Op, l, r}, err
	}
	l, err := compileExpr(x.LHS)
	if err != nil {
		return nil, err
	}
	if x.Op == OpRegex || x.Op == OpNotRegex {
		lit, ok := x.RHS.(*Literal)
		if !ok || lit.Kind != TypeString {
			return constExpr{BoolValue(false)}, nil // no pattern is compiled for each span
		}
		re, err := compileRegex(lit.Str, lit.At)
		return regexExpr{l, re, x.Op == OpNotRegex}, err
	}
	r, err := compileExpr(x.RHS)
	if err != nil {
		return nil, err
	}
	switch {
	case x.Op.Arithmetic():
		return arithmeticExpr{x.Op, l, r}, nil
	case isNil(x.RHS) && isNil(x.LHS):
		return constExpr{BoolValue(false)}, nil
	case isNil(x.RHS):
		return presentExpr{l, x.Op == OpNotEq}, nil
	case isNil(x.LHS):
		return presentExpr{r, x.Op == OpNotEq}, nil
	default:
		return compareExpr{x.Op, l, r}, nil
	}
}

// compileTruth compiles what is asked to be true. An attribute alone is if any
// event, link or element of an array has true; with a ! if any has false.
func compileTruth(x FieldExpr) (expr, error) {
	if f, p, ok := attributeTruth(x); ok {
		return matchExpr{field: f, pred: p}, nil
	}
	return compileExpr(x)
}

// attributeTruth is an attribute alone, or its negation, as a comparison.
func attributeTruth(x FieldExpr) (Field, *Predicate, bool) {
	want := true
	if not, ok := x.(*Unary); ok && not.Op == OpNot {
		x, want = not.X, false
	}
	attr, ok := x.(*Attribute)
	if !ok {
		return Field{}, nil, false
	}
	p, err := newPredicate(fieldOf(attr), OpEq, &Literal{Kind: TypeBool, Int: BoolValue(want).Num})
	return fieldOf(attr), p, err == nil
}

func isNil(x FieldExpr) bool {
	lit, ok := x.(*Literal)
	return ok && lit.Kind == TypeNil
}

func (x constExpr) eval(_ *rows, _ int, dst []Value) []Value {
	if x.v.Type == TypeNil {
		return dst
	}
	return append(dst, x.v)
}

func (x fieldExpr) eval(r *rows, span int, dst []Value) []Value {
	return r.values(x.field, span, dst)
}

func (x notExpr) eval(r *rows, span int, dst []Value) []Value {
	n := len(dst)
	dst = x.x.eval(r, span, dst)
	if len(dst) != n+1 || dst[n].Type != TypeBool {
		return dst[:n]
	}
	dst[n] = BoolValue(!dst[n].IsTrue())
	return dst
}

func (x minusExpr) eval(r *rows, span int, dst []Value) []Value {
	n := len(dst)
	dst = x.x.eval(r, span, dst)
	if len(dst) != n+1 {
		return dst[:n]
	}
	switch v := dst[n]; v.Type {
	case TypeInt, TypeDuration:
		dst[n].Num = -v.Num
	case TypeFloat:
		dst[n] = FloatValue(-v.Float())
	default:
		return dst[:n]
	}
	return dst
}

// truth says whether x is true for the span. dst is room to compute in.
func truth(x expr, r *rows, span int, dst []Value) bool {
	n := len(dst)
	for _, v := range x.eval(r, span, dst)[n:] {
		if v.IsTrue() {
			return true
		}
	}
	return false
}

func (x logicExpr) eval(r *rows, span int, dst []Value) []Value {
	b := truth(x.l, r, span, dst)
	if b == (x.op == OpAnd) {
		b = truth(x.r, r, span, dst)
	}
	return append(dst, BoolValue(b))
}

// eval is true if it is for any element of an array.
func (x compareExpr) eval(r *rows, span int, dst []Value) []Value {
	n := len(dst)
	dst = operand(x.l, r, span, dst)
	m := len(dst)
	dst = operand(x.r, r, span, dst)
	for _, a := range dst[n:m] {
		for _, b := range dst[m:] {
			if compareValues(x.op, a, b) {
				return append(dst[:n], BoolValue(true))
			}
		}
	}
	return append(dst[:n], BoolValue(false))
}

// operand is eval, but arithmetic without a result has none.
func operand(x expr, r *rows, span int, dst []Value) []Value {
	n := len(dst)
	dst = x.eval(r, span, dst)
	if _, ok := x.(arithmeticExpr); ok && len(dst) == n+1 && dst[n].Type == TypeBool {
		return dst[:n]
	}
	return dst
}

func (x matchExpr) eval(r *rows, span int, dst []Value) []Value {
	return append(dst, BoolValue(r.match(x.field, x.pred, span)))
}

func (x presentExpr) eval(r *rows, span int, dst []Value) []Value {
	n := len(dst)
	dst = x.x.eval(r, span, dst)
	return append(dst[:n], BoolValue(len(dst) > n == x.present))
}

func (x regexExpr) eval(r *rows, span int, dst []Value) []Value {
	n := len(dst)
	dst = x.x.eval(r, span, dst)
	match := false
	for _, v := range dst[n:] {
		match = match || v.Type == TypeString && x.re.MatchString(v.Str) != x.not
	}
	return append(dst[:n], BoolValue(match))
}

// eval computes with single numbers. Anything else has the result false, which
// equals no number: Tempo shows it where by() is given such an expression.
func (x arithmeticExpr) eval(r *rows, span int, dst []Value) []Value {
	n := len(dst)
	dst = x.l.eval(r, span, dst)
	one := len(dst) == n+1
	dst = x.r.eval(r, span, dst)
	if !one || len(dst) != n+2 || !dst[n].numeric() || !dst[n+1].numeric() {
		return append(dst[:n], BoolValue(false))
	}
	if v, ok := compute(x.op, dst[n], dst[n+1]); ok {
		return append(dst[:n], v)
	}
	return dst[:n]
}

// compute has a whole number as result only of two whole numbers, otherwise a
// float, of durations in nanoseconds. It has none for the division of whole
// numbers by zero.
func compute(op Op, a, b Value) (Value, bool) {
	if a.Type != TypeInt || b.Type != TypeInt {
		return FloatValue(computeFloats(op, a.Float(), b.Float())), true
	}
	n, ok := computeInts(op, a.Num, b.Num)
	return IntValue(n), ok
}

func computeFloats(op Op, a, b float64) float64 {
	switch op {
	case OpAdd:
		return a + b
	case OpSub:
		return a - b
	case OpMul:
		return a * b
	case OpDiv:
		return a / b
	case OpMod:
		return math.Mod(a, b)
	default:
		return math.Pow(a, b)
	}
}

func computeInts(op Op, a, b int64) (int64, bool) {
	switch op {
	case OpAdd:
		return a + b, true
	case OpSub:
		return a - b, true
	case OpMul:
		return a * b, true
	case OpDiv:
		if b == 0 {
			return 0, false
		}
		return a / b, true
	case OpMod:
		if b == 0 {
			return 0, false
		}
		return a % b, true
	default:
		return power(b, a), true // Tempo has the sides swapped; see docs/traceql.md
	}
}

// power is base^exponent, modulo 2^64. It is 1 where the exponent is negative, as
// in Tempo.
func power(base, exponent int64) int64 {
	result := int64(1)
	for ; exponent > 0; exponent >>= 1 {
		if exponent&1 == 1 {
			result *= base
		}
		base *= base
	}
	return result
}
