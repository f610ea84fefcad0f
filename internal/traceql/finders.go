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
	return p.byScope[f.Scope]
}

// findersOf are the finders of the listed fields of a scope.
func (p *plan) findersOf(scope Scope) (out []*Predicate) {
	for _, c := range p.conditions {
		near := c.field.Scope == scope || unscoped(c.field) && (scope == ScopeSpan || scope == ScopeResource)
		if !near || !listed(Field{Scope: scope, Intrinsic: c.field.Intrinsic, Name: c.field.Name}) {
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

// distinct leaves out conditions whose field another one finds the same values of.
func (p *plan) distinct() (out []condition) {
	seen := map[Field]bool{}
	for _, c := range p.conditions {
		inList := listed(c.field)
		if unscoped(c.field) {
			inList = listed(spanField(c.field)) && listed(resourceField(c.field))
		}
		if inList && !c.predicate().asksAbsence() {
			if seen[c.field] {
				continue
			}
			seen[c.field] = true
		}
		out = append(out, c)
	}
	return out
}

// siblingKey tells apart which siblings a comparison has.
type siblingKey struct {
	field Field
	typ   Type
}

// siblings are the finders of values that a comparison does not find itself; nil if
// there are none.
func (p *plan) siblings(f Field, pred *Predicate) *numbersFound {
	if f.Intrinsic != IntrinsicNone || !pred.Value.numeric() {
		return nil
	}
	key := siblingKey{f, pred.Value.Type}
	found, known := p.bySibling[key]
	if !known {
		found = p.siblingsOf(key)
		p.bySibling[key] = found
	}
	return found
}

func (p *plan) siblingsOf(key siblingKey) *numbersFound {
	fields := []Field{key.field}
	if unscoped(key.field) {
		fields = []Field{spanField(key.field), resourceField(key.field)}
	}
	var out *numbersFound
	for _, f := range fields {
		if !listed(f) {
			continue
		}
		for _, other := range p.byScope[f.Scope] {
			if other.asksPresence() || other.Value.numeric() && other.Value.Type != key.typ {
				if out == nil {
					out = &numbersFound{equal: map[Value]bool{}}
				}
				out.add(other)
			}
		}
	}
	return out
}

// widen tells each comparison its siblings, and each shown attribute its finders.
func (p *plan) widen() {
	p.bySibling = map[siblingKey]*numbersFound{}
	for scope := range p.byScope {
		p.byScope[scope] = p.findersOf(Scope(scope))
	}
	p.asked = p.distinct()
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
			f.cond.list[k].loose = c.pred != nil && p.siblings(c.field, c.pred) != nil
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
