package traceql

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
			for _, c := range r.conds[before:] {
				r.all = r.all && !unscoped(c.field)
			}
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
	if lit, ok := x.(*Literal); ok {
		return lit
	}
	fields := 0
	EachAttribute(x, func(*Attribute) { fields++ })
	if fields > 0 {
		return nil
	}
	v := (&reference{}).eval(x, nil)
	if b, ok := x.(*Binary); len(v) != 1 || ok && b.Op.Arithmetic() && v[0].Type == TypeBool {
		return nil
	}
	return &Literal{Kind: v[0].Type, Int: v[0].Num, Float: v[0].Float(), Str: v[0].Str}
}
