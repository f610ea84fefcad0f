package traceql

// The storage of a Tempo has the attributes of a level (spans, resources, events,
// links, scopes) in one list, but for those with a column of their own. It looks
// there for all keys that a query names, and for all values that any comparison of
// the query with an attribute of that level finds; a literal finds values of its
// own type. The expressions are then computed for what was found, where numbers of
// all types compare. That shows:
//
//   - { .a > 0.5 && .a < 2 } finds 0.7: the first comparison finds the value, and
//     both are true for it;
//   - { !(.a = 1) || .b != 2 } shows the b of a span with b = 2 if it has a = 2.
//
// Finders are the comparisons that find values for a field.

// listed says whether the attribute is in the list of its level.
func listed(f Field) bool {
	_, own := WellKnown(f)
	return f.Intrinsic == IntrinsicNone && !own
}

// finders are the comparisons that find values of a field with a scope, of which
// one is own. A comparison that finds all is returned alone.
func (p *plan) finders(f Field, own *Predicate) []*Predicate {
	if !listed(f) || own.asksAbsence() {
		return []*Predicate{own}
	}
	var out []*Predicate
	for _, c := range p.conditions {
		near := c.field.Scope == f.Scope || unscoped(c.field) && (f.Scope == ScopeSpan || f.Scope == ScopeResource)
		if !near || !listed(Field{Scope: f.Scope, Intrinsic: c.field.Intrinsic, Name: c.field.Name}) {
			continue
		}
		switch pred := c.predicate(); {
		case pred.asksAbsence():
		case pred.asksPresence():
			return []*Predicate{pred}
		default:
			out = append(out, pred)
		}
	}
	return out
}

// siblings are the finders of values that a comparison does not find itself.
func (p *plan) siblings(f Field, pred *Predicate) (out []*Predicate) {
	if f.Intrinsic != IntrinsicNone || !pred.Value.numeric() {
		return nil
	}
	fields := []Field{f}
	if unscoped(f) {
		fields = []Field{spanField(f), resourceField(f)}
	}
	for _, f := range fields {
		for _, other := range p.finders(f, pred) {
			if other.asksPresence() || other.Value.numeric() && other.Value.Type != pred.Value.Type {
				out = append(out, other)
			}
		}
	}
	return out
}

// widen tells each comparison its siblings, and each shown attribute its finders.
func (p *plan) widen() {
	for i := range p.shown {
		s := &p.shown[i]
		if s.preds == nil || !listed(s.field) {
			continue
		}
		s.preds = p.finders(s.field, s.preds[0])
		if s.preds[0].asksPresence() {
			s.preds = nil
		}
	}
	for _, f := range p.filters {
		for k, c := range f.cond.list {
			f.cond.list[k].loose = c.pred != nil && len(p.siblings(c.field, c.pred)) > 0
		}
		p.tellMask(f.node)
	}
	for _, x := range p.exprs {
		p.tellExpr(x)
	}
}

func (p *plan) tellMask(m mask) {
	switch m := m.(type) {
	case fieldMask:
		p.tellScopes(m)
	case notMask:
		p.tellMask(m.x)
	case logicMask:
		p.tellMask(m.l)
		p.tellMask(m.r)
	case exprMask:
		p.tellExpr(m.x)
	}
}

// tellScopes tells a comparison its siblings. What finds a resource's values finds
// none of a span.
func (p *plan) tellScopes(m fieldMask) {
	if m.field.Intrinsic != IntrinsicNone || !unscoped(m.field) {
		m.pred.siblings = p.siblings(m.field, m.pred)
		return
	}
	m.pred.siblings = p.siblings(spanField(m.field), m.pred)
	ofResource := *m.pred
	ofResource.siblings = p.siblings(resourceField(m.field), m.pred)
	m.pred.ofResource = &ofResource
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
