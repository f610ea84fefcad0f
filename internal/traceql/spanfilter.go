package traceql

// SpanFilter is the expression of a { } about one span, compiled to be asked of
// spans in their wire bytes. It may be used by several goroutines, and a
// OneSpan by one.
type SpanFilter struct{ node expr }

// CompileSpanFilter compiles an expression that SpanProblem has no objection
// to. Its error is an *Error.
func CompileSpanFilter(x FieldExpr) (*SpanFilter, error) {
	node, err := compileTruth(x)
	if err != nil {
		return nil, err
	}
	return &SpanFilter{node}, nil
}

// Match says whether the filter selects the span.
func (f *SpanFilter) Match(s *OneSpan) bool {
	s.reader.one = s
	return truth(f.node, &s.reader, 0, s.values[:0])
}

// SpanProblem says why an expression cannot be evaluated for a span alone; nil
// where it can. fits has the intrinsics of the whole trace that are known
// nevertheless.
func SpanProblem(x FieldExpr, fits func(Intrinsic) bool) error {
	var err error
	inner := map[Level]int{}
	EachAttribute(x, func(a *Attribute) {
		f := fieldOf(a)
		if f.inner() {
			inner[f.Level()]++
		}
		switch {
		case err != nil:
		case a.Intrinsic == IntrinsicTraceID || !ofSpan(a):
			if !fits(a.Intrinsic) {
				err = errorAt(a.At, "%s is known only when all spans of a trace are looked at together", a)
			}
		case inner[f.Level()] > 1:
			err = errorAt(a.At, "%s is a second question about events or links; a filter of single spans can ask one", a)
		}
	})
	return err
}

// EachAttribute calls yield with each attribute and intrinsic in an expression.
func EachAttribute(x FieldExpr, yield func(*Attribute)) {
	switch x := x.(type) {
	case *Attribute:
		yield(x)
	case *Unary:
		EachAttribute(x.X, yield)
	case *Binary:
		EachAttribute(x.LHS, yield)
		EachAttribute(x.RHS, yield)
	}
}

// FieldOf is the field that an attribute names. The error is that of a text
// that is not the name of an attribute or an intrinsic of a span.
func FieldOf(text string) (Field, error) {
	q, err := Parse("{ " + text + " != nil }")
	if err != nil {
		return Field{}, err
	}
	if f, ok := q.Spans.Stages[0].(*Filter); ok && len(q.Spans.Stages) == 1 {
		if b, ok := f.Expr.(*Binary); ok {
			if a, ok := b.LHS.(*Attribute); ok && a.String() != "" {
				return fieldOf(a), SpanProblem(a, func(Intrinsic) bool { return false })
			}
		}
	}
	return Field{}, errorAt(Pos{1, 1}, "%q is not an attribute", text)
}

// CompareWith returns the comparison of a number with a literal: value op lit.
func CompareWith(op Op, lit *Literal) func(Value) bool {
	right := literalValue(lit)
	return func(v Value) bool { return compareValues(op, v, right) }
}
