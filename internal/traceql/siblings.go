package traceql

// An attribute is compared with literals of its own type alone, since the storage
// of a Tempo looks for them in the column of that type. Once a value was found,
// numbers of all types compare. So { .a > 0.5 && .a < 2 } finds 0.7: the first
// comparison finds the value, and both are true for it.
//
// Each comparison with a number is therefore told the others of its field that find
// values of another type. Where all comparisons must be met, a field with a scope
// has none: each has to find the value itself.

// meetSiblings tells each comparison of the pipeline its siblings.
func (p *plan) meetSiblings() {
	if !p.mixesNumbers() {
		return
	}
	for i := range p.filters {
		f := p.filters[i]
		for k, c := range f.cond.list {
			f.cond.list[k].loose = c.pred != nil && len(p.siblings(c.field, c.pred)) > 0
		}
		p.tellMask(f.node)
	}
	for _, x := range p.exprs {
		p.tellExpr(x)
	}
}

// mixesNumbers says whether any comparison may have siblings, which few queries
// have.
func (p *plan) mixesNumbers() bool {
	for _, c := range p.conditions {
		if c.pred != nil && len(p.siblings(c.field, c.pred)) > 0 {
			return true
		}
	}
	return false
}

// siblings are the conditions that find values for a comparison which it does not
// find itself.
func (p *plan) siblings(f Field, pred *Predicate) (out []*Predicate) {
	if f.Intrinsic != IntrinsicNone || !pred.Value.numeric() || p.all && !unscoped(f) {
		return nil
	}
	for _, c := range p.conditions {
		if c.field != f || c.pred == nil && p.all && !unscoped(f) {
			continue
		}
		other := c.predicate()
		if other.asksPresence() || other.Value.numeric() && other.Value.Type != pred.Value.Type {
			out = append(out, other)
		}
	}
	return out
}

func (p *plan) tellMask(m mask) {
	switch m := m.(type) {
	case fieldMask:
		m.pred.siblings = p.siblings(m.field, m.pred)
	case notMask:
		p.tellMask(m.x)
	case logicMask:
		p.tellMask(m.l)
		p.tellMask(m.r)
	case exprMask:
		p.tellExpr(m.x)
	}
}

func (p *plan) tellExpr(x expr) {
	switch x := x.(type) {
	case matchExpr:
		x.pred.siblings = p.siblings(x.field, x.pred)
	case notExpr:
		p.tellExpr(x.x)
	case minusExpr:
		p.tellExpr(x.x)
	case presentExpr:
		p.tellExpr(x.x)
	case regexExpr:
		p.tellExpr(x.x)
	case logicExpr:
		p.tellExpr(x.l)
		p.tellExpr(x.r)
	case compareExpr:
		p.tellExpr(x.l)
		p.tellExpr(x.r)
	case arithmeticExpr:
		p.tellExpr(x.l)
		p.tellExpr(x.r)
	}
}
