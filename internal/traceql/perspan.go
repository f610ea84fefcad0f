package traceql

// PerSpan says whether a query that searches looks at each span alone, so that
// it is known which spans match without the others of their traces.
func (q *Query) PerSpan() bool {
	if q.Spans == nil {
		return false
	}
	for _, s := range q.Spans.Stages {
		switch s := s.(type) {
		case *Filter:
			if s.Expr != nil && !ofSpan(s.Expr) {
				return false
			}
		case *Select: // is about the answer
		default:
			return false
		}
	}
	return true
}

// ofSpan says whether an expression is about a span, and not its trace.
func ofSpan(x FieldExpr) bool {
	switch x := x.(type) {
	case *Attribute:
		switch x.Intrinsic {
		case IntrinsicChildCount, IntrinsicNestedSetLeft, IntrinsicNestedSetRight, IntrinsicNestedSetParent,
			IntrinsicTraceDuration, IntrinsicRootName, IntrinsicRootService:
			return false
		}
		return true
	case *Unary:
		return ofSpan(x.X)
	case *Binary:
		return ofSpan(x.LHS) && ofSpan(x.RHS)
	default:
		return true
	}
}
