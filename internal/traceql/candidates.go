package traceql

// Tempo finds spans in two passes: the storage returns the spans that meet the
// comparisons of the query, then the expressions are computed for those. The
// answer shows it where an expression is true although its comparisons are
// not: { !(span.a = 1) } finds nothing, since no span without a = 1 gets to the
// second pass. A query has to find here what it finds there, so we do the same.
//
// If the query is one filter without ||, all comparisons must be met, those of
// unscoped attributes excepted, of which one must be if there are no others.
// Otherwise any comparison must be met.

// candidates marks the spans that get to the second pass. It is nil if the
// filter is true for none but those anyway, or if all do.
func (p *plan) candidates(e *evaluation, f *filter) (*Bitmap, error) {
	switch {
	case !f.cond.opaque || p.open && !p.all:
		return nil, nil
	case p.all:
		return p.allMet(e, f)
	default:
		return p.anyMet(e)
	}
}

// anyMet marks the spans that meet a condition of the query.
func (p *plan) anyMet(e *evaluation) (*Bitmap, error) {
	if e.met != nil {
		return e.met, nil
	}
	met := NewBitmap(e.spans)
	for _, c := range p.conditions {
		spans, err := e.matchAnywhere(c.field, c.predicate())
		if err != nil {
			return nil, err
		}
		met.Or(spans)
	}
	e.met = met
	return met, nil
}

// matchAnywhere is match, but an unscoped field is the span's and the resource's:
// that the span has the key does not hide the resource's.
func (e *evaluation) matchAnywhere(f Field, p *Predicate) (*Bitmap, error) {
	if !unscoped(f) || p.asksAbsence() {
		return e.match(f, p, nil)
	}
	spans, err := e.matchOne(spanField(f), p, nil)
	if err != nil {
		return nil, err
	}
	more, err := e.matchOne(resourceField(f), p, nil)
	if err == nil {
		spans.Or(more)
	}
	return spans, err
}

func (p *plan) allMet(e *evaluation, f *filter) (*Bitmap, error) {
	met := fullBitmap(e.spans)
	exempt := true
	for _, c := range f.cond.list {
		exempt = exempt && unscoped(c.field) && !c.predicate().asksAbsence()
	}
	if exempt && len(f.cond.list) > 0 {
		return p.anyMet(e)
	}
	for _, c := range f.cond.list {
		if unscoped(c.field) || c.predicate().asksAbsence() {
			continue
		}
		spans, err := e.match(c.field, c.predicate(), nil)
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
