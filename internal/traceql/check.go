package traceql

// check refuses what parses and can never mean anything: types that do not fit,
// filters that are not boolean, regular expressions that do not compile.
func check(q *Query) error {
	if q.Metric != nil {
		return checkMetric(q.Metric)
	}
	return checkPipeline(q.Spans)
}

func checkMetric(x MetricExpr) error {
	switch x := x.(type) {
	case *Series:
		return checkPipeline(x.Spans)
	case *Compare:
		if err := checkPipeline(x.Spans); err != nil {
			return err
		}
		return checkStage(x.Selection)
	case *TopK:
		return checkMetric(x.X)
	case *MetricBinary:
		_, l := x.LHS.(*Literal)
		_, r := x.RHS.(*Literal)
		if l && r {
			return errorAt(x.At, "two numbers are not a query, expected a metric in parentheses")
		}
		if err := checkMetric(x.LHS); err != nil {
			return err
		}
		return checkMetric(x.RHS)
	}
	return nil
}

func checkPipeline(x *Pipeline) error {
	for _, s := range x.Stages {
		if err := checkStage(s); err != nil {
			return err
		}
	}
	return nil
}

func checkStage(s Stage) error {
	switch s := s.(type) {
	case *Filter:
		if s.Expr == nil {
			return nil
		}
		f, err := checkField(s.Expr)
		if err == nil && f.typ != TypeBool && f.typ != TypeAttribute {
			err = errorAt(s.Expr.Position(), "the filter %v is a value of type %v, expected a boolean",
				brief(s), f.typ)
		}
		return err
	case *SpansetBinary:
		if err := checkSpanset(s.LHS); err != nil {
			return err
		}
		return checkSpanset(s.RHS)
	case *ScalarFilter:
		return checkAggregate(s.Agg)
	case *Group:
		f, err := checkField(s.Expr)
		if err == nil && !f.aboutSpan {
			err = errorAt(s.Expr.Position(), "%v groups by a constant, expected an attribute", brief(s))
		}
		return err
	}
	return nil
}

func checkSpanset(x SpansetExpr) error {
	switch x := x.(type) {
	case *Pipeline:
		return checkPipeline(x)
	case Stage:
		return checkStage(x)
	}
	return nil
}

func checkAggregate(x *Aggregate) error {
	if x.Expr == nil {
		return nil
	}
	f, err := checkField(x.Expr)
	switch {
	case err != nil:
		return err
	case !f.typ.Numeric():
		return errorAt(x.Expr.Position(), "%v is about a value of type %v, expected a number",
			brief(x), f.typ)
	case !f.aboutSpan:
		return errorAt(x.Expr.Position(), "%v is about a constant, expected an attribute", brief(x))
	}
	return nil
}
