package traceql

// rows gives the values of fields span by span. It is cheapest where spans are
// asked about in ascending order. It is for one goroutine.
type rows struct {
	e      *evaluation
	fields map[Field]*fieldRows
	err    error
	one    *OneSpan // instead of e, for a span alone
}

// fieldRows finds the rows of spans in one column.
type fieldRows struct {
	v       *Vector
	offsets []uint32 // nil for the level of spans
	row     int      // that covered the last span, at the levels outside spans
	inner   bool     // whether rows are inside spans: events and links
	phantom []Value  // of a span without events or links
}

func (r *rows) open(f Field) *fieldRows {
	if fr, ok := r.fields[f]; ok {
		return fr
	}
	fr := &fieldRows{v: &Vector{}}
	r.fields[f] = fr
	v, err := r.e.column(f, nil)
	if err != nil {
		r.err = err
		return fr
	}
	fr.v = v
	if level := f.Level(); level != LevelSpan {
		fr.inner = level == LevelEvent || level == LevelLink
		if fr.offsets, r.err = r.e.offsets(level); r.err != nil {
			fr.v, fr.offsets = &Vector{}, make([]uint32, r.e.spans+1)
		}
		if v, ok := phantom(f); ok {
			fr.phantom = []Value{v}
		}
	}
	return fr
}

// phantom is what an intrinsic of events or links is for a span without any. It
// has a value, as in Tempo, whose column has an entry for such a span too.
func phantom(f Field) (Value, bool) {
	switch f.Intrinsic {
	case IntrinsicEventName, IntrinsicLinkTraceID:
		return StringValue(""), true
	case IntrinsicEventTimeSinceStart:
		return DurationValue(0), true
	case IntrinsicLinkSpanID:
		return StringValue("0000000000000000"), true
	default:
		return Value{}, false
	}
}

// values appends the field's values for a span: for events and links those of
// the first that has any.
func (r *rows) values(f Field, span int, dst []Value) []Value {
	if r.one != nil {
		return r.one.Values(f, dst)
	}
	if unscoped(f) {
		n := len(dst)
		of := r.open(spanField(f))
		if dst = of.append(dst, span, false); len(dst) > n || of.v.hides(uint32(span)) {
			return dst
		}
		return r.open(resourceField(f)).append(dst, span, false)
	}
	return r.open(f).append(dst, span, false)
}

// all appends the field's values for a span, of all events and links.
func (r *rows) all(f Field, span int, dst []Value) []Value {
	return r.open(f).append(dst, span, true)
}

// match says whether a predicate is true for a span, of events and links for any.
func (r *rows) match(f Field, p *Predicate, span int) bool {
	if r.one != nil {
		return r.one.match(f, p)
	}
	if p.asksAbsence() {
		return !r.match(f, presence(), span)
	}
	if unscoped(f) {
		f = spanField(f)
		if fr := r.open(f); !fr.v.keyedIn(uint32(span)) {
			f = resourceField(f)
		}
	}
	fr := r.open(f)
	if fr.inner && fr.offsets[span] == fr.offsets[span+1] {
		return len(fr.phantom) > 0 && p.matchesPhantom(f, fr.phantom[0])
	}
	for _, v := range r.all(f, span, nil) {
		if p.Match(v) {
			return true
		}
	}
	if p.seesOdd {
		for _, v := range r.odd(f, span) {
			if p.Match(v) {
				return true
			}
		}
	}
	return false
}

// odd returns the values of a well-known attribute that are not of its type.
func (r *rows) odd(f Field, span int) []Value {
	fr := r.open(f)
	row := uint32(span)
	if fr.offsets != nil {
		row = uint32(fr.owner(span))
	}
	odd := Vector{Parts: fr.v.Odd}
	return odd.Append(nil, row)
}

func (fr *fieldRows) append(dst []Value, span int, all bool) []Value {
	switch {
	case fr.offsets == nil:
		return fr.v.Append(dst, uint32(span))
	case !fr.inner:
		return fr.v.Append(dst, uint32(fr.owner(span)))
	}
	from, to := fr.offsets[span], fr.offsets[span+1]
	if from == to {
		return append(dst, fr.phantom...)
	}
	n := len(dst)
	for row := from; row < to && (all || len(dst) == n); row++ {
		dst = fr.v.Append(dst, row)
	}
	return dst
}

// owner is the row that covers a span.
func (fr *fieldRows) owner(span int) int {
	o, s := fr.offsets, uint32(span)
	if row := fr.row; row+1 < len(o) && o[row] <= s {
		for step := 0; step < 8 && row+1 < len(o); step, row = step+1, row+1 {
			if s < o[row+1] {
				fr.row = row
				return row
			}
		}
	}
	fr.row = rowOf(o, s)
	return fr.row
}

// rowOf is the row i with o[i] <= s < o[i+1].
func rowOf(o []uint32, s uint32) int {
	low, high := 0, len(o)-1
	for low+1 < high {
		if mid := (low + high) / 2; o[mid] <= s {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func unscoped(f Field) bool { return f.Scope == ScopeNone && f.Intrinsic == IntrinsicNone }

func spanField(f Field) Field     { return Field{Scope: ScopeSpan, Name: f.Name} }
func resourceField(f Field) Field { return Field{Scope: ScopeResource, Name: f.Name} }
