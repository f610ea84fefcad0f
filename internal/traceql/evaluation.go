package traceql

import (
	"cmp"
	"context"
)

// evaluation reads one batch for one query. It keeps the columns that were
// read.
type evaluation struct {
	ctx     context.Context
	batch   Batch
	spans   int
	columns map[Field]*Vector
	// narrow are the spans that are still of interest, nil for all; narrowed the
	// columns that were read for them.
	narrow   *Bitmap
	narrowed map[Field]*Vector
	// matched are the values that a predicate is true for, of fields of spans: what
	// an answer shows of a span is mostly among them.
	matched map[Field]matched
	marked  map[Field]bool // that were compared without being kept
	ranges  [LevelLink + 1][]uint32
	masks   map[*filter]*Bitmap
	met     map[*plan]*Bitmap // see candidates.go
	hidden  *Bitmap           // see without.go
	reader  *rows
}

type matched struct {
	p *Predicate
	v *Vector
}

// maxMatched bounds the values that are kept of a field.
const maxMatched = 1 << 16

func newEvaluation(ctx context.Context, b Batch) *evaluation {
	e := &evaluation{ctx: ctx, batch: b, spans: b.Rows(LevelSpan), matched: map[Field]matched{}, marked: map[Field]bool{}}
	e.columns, e.masks, e.met = map[Field]*Vector{}, map[*filter]*Bitmap{}, map[*plan]*Bitmap{}
	e.reader = &rows{e: e, fields: map[Field]*fieldRows{}}
	return e
}

// column reads a column. One that was read for some spans is read again for
// all.
func (e *evaluation) column(f Field, want *Bitmap) (*Vector, error) {
	if v, ok := e.columns[f]; ok {
		return v, nil
	}
	if err := e.ctx.Err(); err != nil {
		return nil, err
	}
	if want == nil && e.narrow != nil {
		if v, ok := e.narrowed[f]; ok {
			return v, nil
		}
		v, err := e.batch.Column(e.ctx, f, e.narrow)
		if err == nil {
			e.narrowed[f] = v
		}
		return v, err
	}
	v, err := e.batch.Column(e.ctx, f, want)
	if err == nil && want == nil {
		e.columns[f] = v
	}
	return v, err
}

// forget drops the columns that were read. What matched is kept: it is little.
func (e *evaluation) forget() {
	e.columns, e.masks, e.met = map[Field]*Vector{}, map[*filter]*Bitmap{}, map[*plan]*Bitmap{}
	e.narrow, e.narrowed = nil, nil
	e.reader = &rows{e: e, fields: map[Field]*fieldRows{}}
	if f, ok := unhidden(e.batch).(Forgetter); ok {
		f.Forget()
	}
}

// narrowTo makes columns that are read from now on tell of some traces alone.
func (e *evaluation) narrowTo(hits []hit) error {
	o, err := e.offsets(LevelTrace)
	if err != nil {
		return err
	}
	e.narrow, e.narrowed = NewBitmap(e.spans), map[Field]*Vector{}
	for _, h := range hits {
		e.narrow.SetRange(int(o[h.trace]), int(o[h.trace+1]))
	}
	e.reader = &rows{e: e, fields: map[Field]*fieldRows{}}
	return nil
}

func (e *evaluation) offsets(l Level) ([]uint32, error) {
	if e.ranges[l] != nil {
		return e.ranges[l], nil
	}
	o, err := e.batch.Offsets(e.ctx, l)
	if err == nil {
		e.ranges[l] = o
	}
	return o, err
}

// match marks the spans for which the predicate is true. An unscoped field is
// the span's, or, where the span does not have the key, the resource's.
func (e *evaluation) match(f Field, p *Predicate, want *Bitmap) (*Bitmap, error) {
	switch {
	case p.asksAbsence():
		spans, err := e.match(f, presence(), want)
		if err == nil {
			spans.Not()
		}
		return spans, err
	case !unscoped(f):
		return e.matchOne(f, p, want)
	}
	spans, err := e.matchOne(resourceField(f), cmp.Or(p.ofResource, p), want)
	if err != nil {
		return nil, err
	}
	v, err := e.column(spanField(f), nil)
	if err != nil {
		return nil, err
	}
	keyed := NewBitmap(e.spans)
	v.keyed(keyed)
	spans.AndNot(keyed)
	return spans, p.scan(e.ctx, v, spans)
}

func (e *evaluation) matchOne(f Field, p *Predicate, want *Bitmap) (*Bitmap, error) {
	rows, err := e.matchRows(f, p, want)
	if err != nil || f.Level() == LevelSpan {
		return rows, err
	}
	spans, err := e.expand(f.Level(), rows)
	if err != nil {
		return nil, err
	}
	if v, ok := phantom(f); ok && p.matchesPhantom(f, v) {
		return spans, e.addChildless(f.Level(), spans)
	}
	return spans, nil
}

// matchRows marks the rows, of the field's level, for which the predicate is
// true.
func (e *evaluation) matchRows(f Field, p *Predicate, want *Bitmap) (*Bitmap, error) {
	rows := NewBitmap(e.batch.Rows(f.Level()))
	if e.batch.Never(e.ctx, f, p) {
		return rows, nil
	}
	if ok, err := e.mark(f, p, rows); ok || err != nil {
		return rows, err
	}
	v, err := e.matching(f, p, want)
	if err != nil {
		return nil, err
	}
	return rows, p.scan(e.ctx, v, rows)
}

// mark is matchRows for a column that is not kept. One that a query compares twice is.
func (e *evaluation) mark(f Field, p *Predicate, rows *Bitmap) (ok bool, err error) {
	m, can := unhidden(e.batch).(Marker)
	if _, known := e.columns[f]; known || !can || e.narrow != nil || e.marked[f] || p.asksPresence() {
		return false, nil
	}
	e.marked[f] = true
	return m.Mark(e.ctx, f, p, rows)
}

// matching is the column of a field, or of it the values that match.
func (e *evaluation) matching(f Field, p *Predicate, want *Bitmap) (*Vector, error) {
	if _, known := e.columns[f]; !known {
		if m, ok := unhidden(e.batch).(Matcher); ok {
			if v, ok, err := m.Matching(e.ctx, f, p); ok || err != nil {
				if err == nil && f.Level() == LevelSpan && v.len() <= maxMatched {
					e.matched[f] = matched{p, v}
				}
				return v, err
			}
		}
	}
	return e.column(f, want)
}

// expand turns rows of a level into the spans that have them.
func (e *evaluation) expand(l Level, rows *Bitmap) (*Bitmap, error) {
	spans := NewBitmap(e.spans)
	if rows.Empty() {
		return spans, nil
	}
	o, err := e.offsets(l)
	if err != nil {
		return nil, err
	}
	if l != LevelEvent && l != LevelLink {
		for r := rows.Next(0); r >= 0; r = rows.Next(r + 1) {
			spans.SetRange(int(o[r]), int(o[r+1]))
		}
		return spans, nil
	}
	span := 0
	for r := rows.Next(0); r >= 0; r = rows.Next(int(o[span])) {
		for int(o[span+1]) <= r {
			span++
		}
		spans.Set(span)
		span++ // the next row that matters is that of the next span
		if span >= e.spans {
			break
		}
	}
	return spans, nil
}

// addChildless adds the spans without any event, or link.
func (e *evaluation) addChildless(l Level, spans *Bitmap) error {
	o, err := e.offsets(l)
	if err != nil {
		return err
	}
	for i := range e.spans {
		if o[i] == o[i+1] {
			spans.Set(i)
		}
	}
	return nil
}

// matchesPhantom says whether a span without events or links matches. Regular
// expressions see no event's name where there is none, and no identifier of a link
// is equal to that of none.
func (p *Predicate) matchesPhantom(f Field, v Value) bool {
	link := f.Level() == LevelLink
	if p.regex != nil && !link || p.Op == OpEq && link {
		return false
	}
	return p.Match(v)
}
