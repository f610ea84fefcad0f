package block

import (
	"context"
	"errors"
	"fmt"
	"io"

	"appliance/internal/block/parquet"
	"appliance/internal/otlpwire"
)

// rowReader turns rows of a row group back into traces of OTLP, column by
// column. It keeps its memory from one row to the next.
type rowReader struct {
	*layout
	cursors []cursor // one a column of the schema
	fields  *Fields  // nil: all
	left    []bool   // columns that fields leaves out
	fetched *parquet.Fetched
	limits  otlpwire.Limits
	w       wire
	out     []byte   // one trace, before it is copied to where it stays
	id      [16]byte // of the current trace
	err     error    // the first
}

func newRowReader(l *layout) *rowReader {
	r := &rowReader{}
	r.use(l, nil)
	return r
}

// use begins with blocks of a layout, without what fields leaves out.
func (r *rowReader) use(l *layout, fields *Fields) {
	r.layout, r.fields = l, fields
	if n := len(l.schema.Columns); len(r.cursors) != n {
		r.cursors, r.left = make([]cursor, n), make([]bool, n)
	}
}

// release lets go of the block that was read, and keeps the memory.
func (r *rowReader) release() {
	r.layout, r.fields, r.err = nil, nil, nil
	r.fetched.Release()
	for i := range r.cursors {
		c := &r.cursors[i]
		c.pages = nil
		if c.memory != nil {
			c.memory.Release()
		}
	}
}

// start begins with the first row of a row group.
func (r *rowReader) start(ctx context.Context, b *Block, group int) error {
	if err := r.leaveOut(ctx, b, group); err != nil {
		return err
	}
	for i := range r.cursors {
		chunk := &b.file.Groups[group].Chunks[b.columns[i]]
		r.cursors[i].pages = nil
		if r.needed[i] && !r.left[i] && !chunk.AllNull() {
			r.cursors[i].start(ctx, chunk)
		}
	}
	r.err = nil
	return nil
}

func (r *rowReader) fail(column int, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("column %s: %w", r.schema.Columns[column].Name, err)
	}
}

// rep is the level of a column's next entry.
func (r *rowReader) rep(column int) uint8 {
	rep, err := r.cursors[column].rep()
	if err != nil {
		r.fail(column, err)
	}
	return rep
}

// more says whether the next entry continues a list of level.
func (r *rowReader) more(column int, level uint8) bool {
	return r.rep(column) == level && r.err == nil
}

// take passes over an entry of level rep. It returns the cursor if that has a
// value, and nil if it is null; then def is the level at which it is.
func (r *rowReader) take(column int, rep uint8) (c *cursor, def uint8) {
	if column < 0 || r.err != nil {
		return nil, 0
	}
	c = &r.cursors[column]
	if c.pages == nil {
		return nil, 0
	}
	def, err := c.take(rep)
	if err != nil {
		r.fail(column, err)
		return nil, 0
	}
	if def < c.maxDef {
		return nil, def
	}
	return c, def
}

// must is take of a column that has a value in each element of its list. It is
// nil too for one that is left out.
func (r *rowReader) must(column int, rep uint8) *cursor {
	c, _ := r.take(column, rep)
	if c == nil && r.err == nil && column >= 0 && !r.left[column] {
		r.fail(column, fmt.Errorf("%w: null where there is a value", errApart))
	}
	return c
}

func (r *rowReader) text(column int, rep uint8) []byte {
	if c := r.must(column, rep); c != nil {
		return c.bytes()
	}
	return nil
}

func (r *rowReader) number(column int, rep uint8) int64 {
	if c := r.must(column, rep); c != nil {
		return c.v.Ints[c.value-1]
	}
	return 0
}

// dropped is a count that a block keeps in 32 bits, with their sign.
func (r *rowReader) dropped(column int, rep uint8) uint64 {
	return uint64(uint32(r.number(column, rep)))
}

// skip passes over the one null that each column has for a list without
// elements.
func (r *rowReader) skip(columns []int, rep, def uint8) {
	for _, i := range columns {
		if i < 0 || r.cursors[i].pages == nil {
			continue
		}
		if _, got := r.take(i, rep); got != def && r.err == nil {
			r.fail(i, fmt.Errorf("%w: level %d in a list without elements, not %d", errApart, got, def))
		}
	}
}

// empty says whether a list has no element: the next entry of a column in it,
// which all elements have, is null at a lower level.
func (r *rowReader) empty(column int) bool {
	if column < 0 {
		return true
	}
	c := &r.cursors[column]
	if c.pages == nil {
		return true
	}
	if _, err := c.rep(); err != nil {
		r.fail(column, err)
	}
	return r.err != nil || c.entry == c.v.Entries || c.v.Def[c.entry] < c.maxDef
}

// trace appends the next trace.
func (r *rowReader) trace(dst []byte) ([]byte, error) {
	mark := len(dst)
	r.w.b = dst
	id := r.text(r.role(TraceID), 0)
	if len(id) > len(r.id) && r.err == nil {
		r.fail(r.role(TraceID), fmt.Errorf("%w: an identifier of %d bytes", ErrDamaged, len(id)))
	}
	if r.err == nil {
		clear(r.id[:])
		copy(r.id[len(r.id)-len(id):], id)
	}
	driver := r.role(ResourceService)
	if r.empty(driver) {
		for o := range owners {
			r.skip(r.owner[o].all, 0, 0)
		}
	} else {
		r.resourceSpans(0)
		for r.more(driver, repResource) {
			r.resourceSpans(repResource)
		}
	}
	dst = r.w.b
	r.w.b = nil
	if r.err != nil {
		return dst[:mark], r.err
	}
	return dst, nil
}

func (r *rowReader) resourceSpans(rep uint8) {
	whole := r.w.open(1, 4)
	resource := r.w.open(1, 2)
	r.attributes(OfResource, 1, rep, repResource)
	r.specials(OfResource, 1, rep)
	r.w.varint(2, r.dropped(r.role(ResourceDropped), rep))
	r.w.close(resource)
	driver := r.role(ScopeName)
	if r.empty(driver) {
		for _, o := range []Owner{OfScope, OfSpan, OfEvent, OfLink} {
			r.skip(r.owner[o].all, rep, repResource)
		}
	} else {
		r.scopeSpans(rep)
		for r.more(driver, repScope) {
			r.scopeSpans(repScope)
		}
	}
	r.w.close(whole)
}

func (r *rowReader) scopeSpans(rep uint8) {
	whole := r.w.open(2, 4)
	scope := r.w.open(1, 1)
	r.w.text(1, r.text(r.role(ScopeName), rep))
	r.w.text(2, r.text(r.role(ScopeVersion), rep))
	if r.owner[OfScope].attrs[AttrKey] >= 0 {
		r.attributes(OfScope, 3, rep, repScope)
		r.w.varint(4, r.dropped(r.role(ScopeDropped), rep))
	}
	r.w.close(scope)
	driver := r.role(SpanID)
	if r.empty(driver) {
		for _, o := range []Owner{OfSpan, OfEvent, OfLink} {
			r.skip(r.owner[o].all, rep, repScope)
		}
	} else {
		r.span(rep)
		for r.more(driver, repSpan) {
			r.span(repSpan)
		}
	}
	r.w.close(whole)
}

func (r *rowReader) span(rep uint8) {
	w := &r.w
	whole := w.open(2, 2)
	w.bytes(1, r.id[:])
	w.text(2, r.text(r.role(SpanID), rep))
	w.text(3, r.text(r.role(SpanTraceState), rep))
	w.text(4, r.text(r.role(SpanParentSpanID), rep))
	w.text(5, r.text(r.role(SpanName), rep))
	w.varint(6, uint64(r.number(r.role(SpanKind), rep)))
	start := uint64(r.number(r.role(SpanStart), rep))
	w.fixed64(7, start)
	w.fixed64(8, start+uint64(r.number(r.role(SpanDuration), rep)))
	r.attributes(OfSpan, 9, rep, repSpan)
	r.specials(OfSpan, 9, rep)
	w.varint(10, r.dropped(r.role(SpanDropped), rep))
	r.events(rep, start)
	w.varint(12, r.dropped(r.role(SpanDroppedEvents), rep))
	r.links(rep)
	w.varint(14, r.dropped(r.role(SpanDroppedLinks), rep))
	code := uint64(r.number(r.role(SpanStatusCode), rep))
	if message := r.text(r.role(SpanStatusMessage), rep); code != 0 || len(message) > 0 {
		status := w.open(15, 1)
		w.text(2, message)
		w.varint(3, code)
		w.close(status)
	}
	w.close(whole)
}

// events writes the events of a span, whose entries have the level rep.
func (r *rowReader) events(rep uint8, start uint64) {
	driver := r.role(EventName)
	if r.empty(driver) {
		r.skip(r.owner[OfEvent].all, rep, repSpan)
		return
	}
	for more := true; more; more = r.more(driver, repEvent) {
		m := r.w.open(11, 1)
		if unix := r.role(EventTimeUnix); unix >= 0 {
			r.w.fixed64(1, uint64(r.number(unix, rep)))
		} else {
			r.w.fixed64(1, start+uint64(r.number(r.role(EventTime), rep)))
		}
		r.w.text(2, r.text(driver, rep))
		r.attributes(OfEvent, 3, rep, repEvent)
		r.w.varint(4, r.dropped(r.role(EventDropped), rep))
		r.w.close(m)
		rep = repEvent
	}
}

func (r *rowReader) links(rep uint8) {
	if column := r.role(SpanLinks); column >= 0 {
		f := otlpwire.NewFields(r.message(spanLinks, column, rep))
		for f.Next() {
			if f.Tag == 1<<3|otlpwire.TagBytes {
				r.w.bytes(13, f.Bytes)
			}
		}
		return
	}
	driver := r.role(LinkTraceID)
	if r.empty(driver) {
		r.skip(r.owner[OfLink].all, rep, repSpan)
		return
	}
	for more := true; more; more = r.more(driver, repEvent) {
		m := r.w.open(13, 1)
		r.w.text(1, r.text(driver, rep))
		r.w.text(2, r.text(r.role(LinkSpanID), rep))
		r.w.text(3, r.text(r.role(LinkTraceState), rep))
		r.attributes(OfLink, 4, rep, repEvent)
		r.w.varint(5, r.dropped(r.role(LinkDropped), rep))
		r.w.close(m)
		rep = repEvent
	}
}

// end says whether each column ended with the last row.
func (r *rowReader) end() error {
	for i := range r.cursors {
		c := &r.cursors[i]
		if c.pages == nil || r.err != nil {
			continue
		}
		if c.entry < c.v.Entries {
			r.fail(i, fmt.Errorf("%w: one goes on", errApart))
		} else if err := c.load(); !errors.Is(err, io.EOF) {
			r.fail(i, fmt.Errorf("%w: one goes on: %w", errApart, err))
		}
	}
	return r.err
}
