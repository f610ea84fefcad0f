package traceql

// filter is a compiled { ... }.
type filter struct {
	cond conditions
	node mask // nil: all spans
}

// spans is the set of all spans of the batch for which the filter is true. It
// must not be changed.
func (f *filter) spans(p *plan, e *evaluation) (*Bitmap, error) {
	if m, ok := e.masks[f]; ok {
		return m, nil
	}
	m, err := f.compute(p, e)
	if err == nil {
		e.masks[f] = m
	}
	return m, err
}

func (f *filter) compute(p *plan, e *evaluation) (*Bitmap, error) {
	if f.never(e) {
		return NewBitmap(e.spans), nil
	}
	want, err := p.candidates(e, f)
	if err != nil {
		return nil, err
	}
	if f.node == nil {
		if want == nil {
			want = fullBitmap(e.spans)
		}
		return want.Clone(), nil
	}
	m, err := f.node.spans(e, want)
	if err != nil {
		return nil, err
	}
	if want != nil {
		m.And(want)
	}
	same, err := p.sameRow(e, f)
	if same != nil && err == nil {
		m.And(same)
	}
	return m, err
}

// never says whether dictionaries and statistics tell that no span matches.
func (f *filter) never(e *evaluation) bool {
	if f.cond.or || f.cond.opaque {
		return false
	}
	for _, c := range f.cond.list {
		if _, ok := phantom(c.field); ok || c.loose {
			continue
		}
		if unscoped(c.field) {
			if e.batch.Never(e.ctx, spanField(c.field), c.predicate()) &&
				e.batch.Never(e.ctx, resourceField(c.field), c.predicate()) {
				return true
			}
		} else if e.batch.Never(e.ctx, c.field, c.predicate()) {
			return true
		}
	}
	return false
}

// mask computes for which spans of a batch something is true.
type mask interface {
	// spans returns a set that the caller may change. Only members of want
	// are asked about; nil stands for all.
	spans(e *evaluation, want *Bitmap) (*Bitmap, error)
}

type (
	constMask bool
	fieldMask condition
	notMask   struct{ x mask }
	logicMask struct {
		op   Op
		l, r mask
	}
	exprMask struct{ x expr }
)

func compileFilter(f *Filter) (*filter, error) {
	out := &filter{}
	if f.Expr == nil {
		out.cond.opaque = true
		return out, nil
	}
	if err := out.cond.add(f.Expr); err != nil {
		return nil, err
	}
	var err error
	out.node, err = compileMask(f.Expr)
	return out, err
}

func compileMask(x FieldExpr) (mask, error) {
	if lit, ok := constant(x); ok {
		return constMask(literalValue(lit).IsTrue()), nil
	}
	if f, p, ok := attributeTruth(x); ok {
		return fieldMask{field: f, pred: p}, nil
	}
	switch x := x.(type) {
	case *Unary:
		if x.Op == OpNot && truthValued(x.X) {
			inner, err := compileMask(x.X)
			return notMask{inner}, err
		}
	case *Binary:
		if x.Op == OpAnd || x.Op == OpOr {
			l, err := compileMask(x.LHS)
			if err != nil {
				return nil, err
			}
			r, err := compileMask(x.RHS)
			if err != nil {
				return nil, err
			}
			if cost(r) < cost(l) {
				l, r = r, l // the right side is asked about fewer spans
			}
			return logicMask{x.Op, l, r}, nil
		}
		if attr, op, lit := comparison(x); attr != nil {
			p, err := newPredicate(fieldOf(attr), op, lit)
			return fieldMask{field: fieldOf(attr), pred: p}, err
		}
	}
	compiled, err := compileExpr(x)
	return exprMask{compiled}, err
}

// cost orders masks by how long they take, about.
func cost(m mask) int {
	switch m := m.(type) {
	case constMask:
		return 0
	case fieldMask:
		switch {
		case m.pred.regex != nil:
			return 3
		case unscoped(m.field):
			return 2
		default:
			return 1
		}
	case notMask:
		return cost(m.x)
	case logicMask:
		return max(cost(m.l), cost(m.r))
	default:
		return 4
	}
}

// truthValued says whether the expression is true or false for each span, and
// never missing.
func truthValued(x FieldExpr) bool {
	switch x := x.(type) {
	case *Binary:
		return !x.Op.Arithmetic()
	case *Unary:
		return x.Op == OpNot && truthValued(x.X)
	default:
		return false
	}
}

func (m constMask) spans(e *evaluation, _ *Bitmap) (*Bitmap, error) {
	if m {
		return fullBitmap(e.spans), nil
	}
	return NewBitmap(e.spans), nil
}

func (m fieldMask) spans(e *evaluation, want *Bitmap) (*Bitmap, error) {
	return e.match(m.field, m.pred, want)
}

func (m notMask) spans(e *evaluation, want *Bitmap) (*Bitmap, error) {
	spans, err := m.x.spans(e, want)
	if err == nil {
		spans.Not()
	}
	return spans, err
}

// spans asks the right side only about the spans which the left side has left
// open.
func (m logicMask) spans(e *evaluation, want *Bitmap) (*Bitmap, error) {
	left, err := m.l.spans(e, want)
	if err != nil {
		return nil, err
	}
	open := left
	if m.op == OpOr {
		open = left.Clone()
		open.Not()
	}
	if want != nil {
		if open == left {
			open = left.Clone()
		}
		open.And(want)
	}
	if open.Empty() {
		return left, nil
	}
	right, err := m.r.spans(e, open)
	if err != nil {
		return nil, err
	}
	if m.op == OpAnd {
		left.And(right)
	} else {
		left.Or(right)
	}
	return left, nil
}

// checkEvery is how many values are looked at between two looks at the clock, and
// checkExprs how many expressions, which may have a thousand parts, are computed.
const (
	checkEvery = 4096
	checkExprs = 64
)

func (m exprMask) spans(e *evaluation, want *Bitmap) (*Bitmap, error) {
	if want == nil {
		want = fullBitmap(e.spans)
	}
	spans, r, room := NewBitmap(e.spans), e.reader, make([]Value, 0, 16)
	for i, n := want.Next(0), 0; i >= 0; i, n = want.Next(i+1), n+1 {
		if n%checkExprs == 0 && e.ctx.Err() != nil {
			return nil, e.ctx.Err()
		}
		if truth(m.x, r, i, room) {
			spans.Set(i)
		}
	}
	return spans, r.err
}
