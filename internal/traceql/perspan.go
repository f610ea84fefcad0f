package traceql

// PerSpan says whether a query looks at each span alone, so that it is known what
// it finds, or counts, without the other spans of a trace.
func (q *Query) PerSpan() bool {
	if q.Spans != nil {
		return q.Spans.perSpan()
	}
	return perSpan(q.Metric)
}

func perSpan(x MetricExpr) bool {
	switch x := x.(type) {
	case *Literal:
		return true
	case *TopK:
		return perSpan(x.X)
	case *MetricBinary:
		return perSpan(x.LHS) && perSpan(x.RHS)
	case *Series:
		for _, a := range x.By {
			if !ofSpan(a) {
				return false
			}
		}
		return (x.Attr == nil || ofSpan(x.Attr)) && x.Spans.perSpan()
	default: // compare() counts the names of roots
		return false
	}
}

func (x *Pipeline) perSpan() bool {
	for _, s := range x.Stages {
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
