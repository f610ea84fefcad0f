package traceql

// binding is how an operator binds: the higher, the tighter.
type binding struct {
	op    Op
	level int
}

// spansetOps join spansets. && and || bind alike, from the left, as in Tempo.
var spansetOps = map[string]binding{
	"&&": {OpAnd, 1}, "||": {OpOr, 1},
	">": {OpChild, 2}, "<": {OpParent, 2}, ">>": {OpDescendant, 2}, "<<": {OpAncestor, 2},
	"~": {OpSibling, 2}, "!>": {OpNotChild, 2}, "!<": {OpNotParent, 2},
	"!>>": {OpNotDescendant, 2}, "!<<": {OpNotAncestor, 2}, "!~": {OpNotSibling, 2},
	"&>": {OpUnionChild, 2}, "&<": {OpUnionParent, 2}, "&>>": {OpUnionDescendant, 2},
	"&<<": {OpUnionAncestor, 2}, "&~": {OpUnionSibling, 2},
}

// metricOps join metrics.
var metricOps = map[string]binding{
	"=": {OpEq, 1}, "!=": {OpNotEq, 1}, ">": {OpGreater, 1}, ">=": {OpGreaterEq, 1},
	"<": {OpLess, 1}, "<=": {OpLessEq, 1},
	"+": {OpAdd, 2}, "-": {OpSub, 2}, "*": {OpMul, 3}, "/": {OpDiv, 3}, "%": {OpMod, 3},
	"^": {OpPow, 4},
}

// expr reads spansets, pipelines in parentheses or metrics in parentheses,
// joined by operators that bind tighter than the level.
func (p *parser) expr(level int) (node, error) {
	lhs, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		b := spansetOps[t.text]
		_, metric := lhs.(MetricExpr)
		if metric {
			b = metricOps[t.text]
		}
		if t.kind != tokenSign || b.level <= level {
			return lhs, nil
		}
		p.next()
		under := b.level
		if b.op == OpPow { // from the right
			under--
		}
		if err := p.enter(); err != nil {
			return nil, err
		}
		rhs, err := p.expr(under)
		p.leave()
		if err != nil {
			return nil, err
		}
		if lhs, err = join(lhs, b.op, t.at, rhs); err != nil {
			return nil, err
		}
	}
}

// operand reads a filter, something in parentheses, or a number.
func (p *parser) operand() (node, error) {
	t := p.peek()
	switch {
	case t.is("{"):
		return p.filter()
	case t.beginsNumber():
		return p.number()
	case !t.is("("):
		return nil, p.unexpected("{ or (")
	}
	p.next()
	x, err := p.query()
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, p.unexpected("an operator, | or )")
	}
	if pipe, ok := x.(*Pipeline); ok && len(pipe.Stages) == 1 {
		if s, ok := pipe.Stages[0].(SpansetExpr); ok {
			return s, nil
		}
	}
	return x, nil
}

// join makes one expression of two that are of the same sort.
func join(lhs node, op Op, at Pos, rhs node) (node, error) {
	switch l := lhs.(type) {
	case MetricExpr:
		if r, ok := rhs.(MetricExpr); ok {
			return &MetricBinary{At: at, Op: op, LHS: l, RHS: r}, nil
		}
		return nil, errorAt(rhs.Position(), "spans cannot be joined with a metric, "+
			"expected a number or a metric in parentheses")
	case SpansetExpr:
		r, ok := rhs.(SpansetExpr)
		if !ok {
			return nil, errorAt(rhs.Position(), "a metric cannot be joined with spans")
		}
		if isPipeline(l) != isPipeline(r) {
			return nil, errorAt(at, "%v joins a pipeline in parentheses with a spanset, "+
				"expected two of the same sort", op)
		}
		return &SpansetBinary{At: at, Op: op, LHS: l, RHS: r}, nil
	}
	return nil, errorAt(at, "unexpected %v", op)
}

func isPipeline(x SpansetExpr) bool {
	switch x := x.(type) {
	case *Pipeline:
		return true
	case *SpansetBinary:
		return x.ofPipelines()
	default:
		return false
	}
}
