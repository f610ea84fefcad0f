package traceql

// fieldFacts is what the checks know of an expression of fields.
type fieldFacts struct {
	typ       Type
	aboutSpan bool // an attribute or intrinsic is in it
}

func checkField(x FieldExpr) (fieldFacts, error) {
	switch x := x.(type) {
	case *Attribute:
		return fieldFacts{typ: x.Type(), aboutSpan: true}, nil
	case *Literal:
		if x.Kind == TypeNil {
			return fieldFacts{}, errorAt(x.At, "nil stands for no value, expected = or != beside it")
		}
		return fieldFacts{typ: x.Kind}, nil
	case *Unary:
		return checkUnary(x)
	case *Binary:
		return checkBinary(x)
	}
	return fieldFacts{}, nil
}

func checkUnary(x *Unary) (fieldFacts, error) {
	f, err := checkField(x.X)
	if err != nil {
		return f, err
	}
	if x.Op == OpNot && f.typ != TypeBool && f.typ != TypeAttribute ||
		x.Op == OpSub && !f.typ.Numeric() {
		return f, errorAt(x.At, "%v: %v cannot stand before a value of type %v", brief(x), x.Op, f.typ)
	}
	return f, nil
}

func checkBinary(x *Binary) (fieldFacts, error) {
	if x.Op == OpEq || x.Op == OpNotEq {
		if known, isNil := nilComparison(x); isNil {
			f, err := checkField(known)
			return fieldFacts{TypeBool, f.aboutSpan}, err
		}
	}
	l, err := checkField(x.LHS)
	if err != nil {
		return l, err
	}
	r, err := checkField(x.RHS)
	if err != nil {
		return r, err
	}
	facts := fieldFacts{TypeBool, l.aboutSpan || r.aboutSpan}
	if x.Op.Arithmetic() {
		facts.typ = arithmeticType(l.typ, r.typ)
	}
	if !match(l.typ, r.typ) {
		return facts, errorAt(x.At, "%v: %v takes two values of the same type, here are %v and %v",
			brief(x), x.Op, l.typ, r.typ)
	}
	for _, t := range []Type{l.typ, r.typ} {
		if !x.Op.takes(t) {
			return facts, errorAt(x.At, "%v: %v does not take a value of type %v", brief(x), x.Op, t)
		}
	}
	return facts, checkConstants(x)
}

// nilComparison returns the side that nil is compared with. Both sides may be
// nil.
func nilComparison(x *Binary) (other FieldExpr, isNil bool) {
	if isNilLiteral(x.RHS) {
		if isNilLiteral(x.LHS) {
			return &Literal{Kind: TypeBool}, true
		}
		return x.LHS, true
	}
	return x.RHS, isNilLiteral(x.LHS)
}

func isNilLiteral(x FieldExpr) bool {
	l, ok := x.(*Literal)
	return ok && l.Kind == TypeNil
}

// match says whether values of the types can be compared or computed with.
func match(l, r Type) bool {
	return l == r || l == TypeAttribute || r == TypeAttribute || l.Numeric() && r.Numeric()
}

// takes says whether the operator is one for values of the type.
func (o Op) takes(t Type) bool {
	switch {
	case t == TypeAttribute, o == OpEq, o == OpNotEq:
		return true
	case o == OpAnd, o == OpOr:
		return t == TypeBool
	case o == OpRegex, o == OpNotRegex:
		return t == TypeString
	case o.Comparison():
		return t.Numeric() || t == TypeString
	default:
		return t.Numeric()
	}
}

// checkConstants refuses a duration that is compared with a float, a division of
// whole numbers by a zero, and a regular expression that does not compile.
func checkConstants(x *Binary) error {
	if x.Op.Comparison() && (durationWithFloat(x.LHS, x.RHS) || durationWithFloat(x.RHS, x.LHS)) {
		return errorAt(x.At, "%v: a float has no unit, expected a duration such as 1.5s", brief(x))
	}
	r, ok := x.RHS.(*Literal)
	if !ok {
		return nil
	}
	if (x.Op == OpDiv || x.Op == OpMod) && r.Kind == TypeInt && r.Int == 0 &&
		x.LHS.Type() == TypeInt {
		return errorAt(x.At, "%v: division by zero", brief(x))
	}
	if x.Op == OpRegex || x.Op == OpNotRegex {
		if _, err := CompileRegexp(r.Str); err != nil {
			return errorAt(r.At, "invalid regular expression %v: %v", brief(r), err)
		}
	}
	return nil
}

func durationWithFloat(x, y FieldExpr) bool {
	a, attribute := x.(*Attribute)
	l, literal := y.(*Literal)
	return attribute && literal && a.Type() == TypeDuration && l.Kind == TypeFloat
}
