package traceql

// Tempo finds spans in two passes: the storage returns the spans that meet the
// comparisons of the query, then the expressions are computed for those. The
// answer shows it where an expression is true although its comparisons are
// not: { !(span.a = 1) } finds nothing, since no span without a = 1 gets to the
// second pass. A query has to find here what it finds there, so we do the same.
//
// If the query is one filter, without || and without attributes that have no scope,
// all comparisons must be met; otherwise any of them.

// candidates marks the spans that get to the second pass. It is nil if the
// filter is true for none but those anyway, or if all do.
func (p *plan) candidates(e *evaluation, f *filter) (*Bitmap, error) {
	switch {
	case !f.cond.opaque || p.open && !p.all:
		return nil, nil
	case p.all:
		return p.allMet(e)
	default:
		return p.anyMet(e)
	}
}

// anyMet marks the spans that meet a condition of the query.
func (p *plan) anyMet(e *evaluation) (*Bitmap, error) {
	if met, known := e.met[p]; known {
		return met, nil
	}
	met := NewBitmap(e.spans)
	for _, c := range p.asked {
		spans, err := p.metBy(e, c)
		if err != nil {
			return nil, err
		}
		met.Or(spans)
	}
	e.met[p] = met
	return met, nil
}

// metBy marks the spans of which a condition's field has a value that was found. One
// without a scope is the span's and the resource's: that the span has the key does
// not hide the resource's.
func (p *plan) metBy(e *evaluation, c condition) (*Bitmap, error) {
	pred := c.predicate()
	if pred.asksAbsence() {
		return e.match(c.field, pred, nil)
	}
	fields := []Field{c.field}
	if unscoped(c.field) {
		fields = []Field{spanField(c.field), resourceField(c.field)}
	}
	met := NewBitmap(e.spans)
	for _, f := range fields {
		for _, finder := range p.finders(f, pred) {
			spans, err := e.matchOne(f, finder, nil)
			if err != nil {
				return nil, err
			}
			met.Or(spans)
		}
	}
	return met, nil
}

// allMet marks the spans that meet all conditions, which are those of one filter.
func (p *plan) allMet(e *evaluation) (*Bitmap, error) {
	met := fullBitmap(e.spans)
	for _, c := range p.asked {
		if c.predicate().asksAbsence() {
			continue
		}
		spans, err := p.metBy(e, c)
		if err != nil {
			return nil, err
		}
		met.And(spans)
	}
	return met, nil
}

// sameRow marks the spans that have one event for which all comparisons of
// events are true, and the same for links. It is nil if that is no question.
func (p *plan) sameRow(e *evaluation, f *filter) (*Bitmap, error) {
	if !p.all {
		return nil, nil
	}
	var spans *Bitmap
	for _, level := range [...]Level{LevelEvent, LevelLink} {
		var rows *Bitmap
		n := 0
		for _, c := range f.cond.list {
			if c.field.Level() != level || c.predicate().asksAbsence() {
				continue
			}
			n++
			match, err := e.matchRows(c.field, c.predicate(), nil)
			if err != nil {
				return nil, err
			}
			if rows == nil {
				rows = match
			} else {
				rows.And(match)
			}
		}
		if n < 2 {
			continue
		}
		match, err := e.expand(level, rows)
		if err != nil {
			return nil, err
		}
		if spans == nil {
			spans = match
		} else {
			spans.And(match)
		}
	}
	return spans, nil
}

// predicate is the condition's comparison, or that the field has a value.
func (c condition) predicate() *Predicate {
	if c.pred == nil {
		return presence()
	}
	return c.pred
}
