package block

import (
	"context"
	"slices"
)

// Fields says what of its spans a reader of traces wants. The rest is left out,
// as if the spans did not have it, and is not read. Resources and scopes are
// always read as wholes. A nil *Fields wants everything.
type Fields struct {
	// Keys are the attributes of an owner: spans, events or links.
	Keys [owners][][]byte
	// Events and Links want those, with the attributes of Keys.
	Events, Links bool
	// StatusMessage and TraceState want those of spans.
	StatusMessage, TraceState bool
}

// has says whether an attribute is wanted.
func (f *Fields) has(o Owner, key []byte) bool {
	if f == nil || o == OfResource || o == OfScope {
		return true
	}
	return slices.ContainsFunc(f.Keys[o], func(k []byte) bool { return string(k) == string(key) })
}

// leaveOut marks the columns of a row group that are not wanted.
func (r *rowReader) leaveOut(ctx context.Context, b *Block, group int) error {
	clear(r.left)
	f := r.fields
	if f == nil {
		return nil
	}
	r.leave(f.StatusMessage, r.role(SpanStatusMessage))
	r.leave(f.TraceState, r.role(SpanTraceState))
	r.leave(f.Links, r.role(SpanLinks))
	r.leave(f.Events, r.owner[OfEvent].all...)
	r.leave(f.Links, r.owner[OfLink].all...)
	for _, o := range []Owner{OfSpan, OfEvent, OfLink} {
		for i := range r.owner[o].specials {
			s := &r.owner[o].specials[i]
			r.leave(f.has(o, s.key), s.column)
		}
		some, err := r.anyKey(ctx, b, group, o)
		if err != nil {
			return err
		}
		r.leave(some, r.owner[o].attrs[:]...)
		if o == OfEvent {
			r.leave(some, r.role(EventValue))
		}
	}
	return nil
}

// leave marks columns unless they are wanted.
func (r *rowReader) leave(wanted bool, columns ...int) {
	for _, i := range columns {
		if !wanted && i >= 0 {
			r.left[i] = true
		}
	}
}

// anyKey says whether any of the attributes that are wanted of an owner can be
// among those that have no column of their own. The dictionary of keys tells.
func (r *rowReader) anyKey(ctx context.Context, b *Block, group int, o Owner) (bool, error) {
	column := r.owner[o].attrs[AttrKey]
	if len(r.fields.Keys[o]) == 0 || column < 0 || r.left[column] {
		return false, nil
	}
	chunk := b.chunk(group, o.Attr(AttrKey))
	if chunk.AllNull() || !chunk.OnlyDictionary() {
		return true, nil
	}
	dict, err := chunk.Dictionary(ctx, nil)
	if err != nil || dict == nil {
		return true, err
	}
	for _, key := range r.fields.Keys[o] {
		if _, ok := dict.Find(key); ok {
			return true, nil
		}
	}
	return false, nil
}
