package otlpwire

import "encoding/binary"

// frame is a ResourceSpans or ScopeSpans that is being scanned. As long as all
// in it is kept as it is, it is part of a run of bytes to be copied later; the
// first change opens it: its head is written, with room for the new length.
type frame struct {
	start, from, end int // its tag, its content and its end in the scanned bytes
	tag              byte
	spans, kept      int

	opened   bool
	mark     int // where it begins in out
	contents int // where its content begins in out, for now
}

// splice builds a request out of runs of another's bytes.
type splice struct {
	writing   bool
	changed   bool
	out       []byte
	next      int // the first byte of the scanned ones that is not yet copied or skipped
	resources frame
	scopes    frame
}

// flush copies what is pending up to a position.
func (s *scanner) flush(to int) {
	if to > s.next {
		s.out = append(s.out, s.b[s.next:to]...)
	}
	s.next = to
}

func (s *scanner) open(f *frame) {
	if f.opened || !s.writing {
		return
	}
	if f == &s.scopes {
		s.open(&s.resources)
	}
	s.changed = true
	s.flush(f.start)
	f.opened = true
	f.mark = len(s.out)
	s.out = append(s.out, f.tag)
	s.out = binary.AppendUvarint(s.out, uint64(f.end-f.from))
	f.contents = len(s.out)
	s.next = f.from
}

// close ends a frame: one that lost all its spans vanishes, one without any
// stays as it is.
func (s *scanner) close(f *frame) {
	if !f.opened {
		return
	}
	if f.spans > 0 && f.kept == 0 {
		s.out = s.out[:f.mark]
		s.next = f.end
		return
	}
	s.flush(f.end)
	s.setLength(f)
}

// setLength writes the length of a frame's content before it, moving the
// content when its length takes more or fewer bytes than were left for it.
func (s *scanner) setLength(f *frame) {
	var length [binary.MaxVarintLen64]byte
	n := len(s.out) - f.contents
	width := binary.PutUvarint(length[:], uint64(n))
	to := f.mark + 1 + width
	if grow := to - f.contents; grow > 0 {
		s.out = append(s.out, length[:grow]...)
	}
	copy(s.out[to:], s.out[f.contents:f.contents+n])
	copy(s.out[f.mark+1:], length[:width])
	s.out = s.out[:to+n]
}

// drop leaves out the span at start.
func (s *scanner) drop(start, end int) {
	if !s.writing {
		return
	}
	s.open(&s.scopes)
	s.flush(start)
	s.next = end
}

const traceStateTag = 3<<3 | wireBytes

// rewrite replaces the tracestate of the span at start, whose content is at from.
func (s *scanner) rewrite(start, from, end int, state []byte) {
	if !s.writing || s.states == 0 && len(state) == 0 {
		return
	}
	if s.states == 1 && len(state) > 0 && string(state) == string(s.span.TraceState) {
		return
	}
	s.open(&s.scopes)
	s.flush(start)
	s.out = append(s.out, 2<<3|wireBytes)
	if s.states > 1 {
		s.rewriteMany(from, end, state)
		return
	}
	at, after := s.stateFrom, s.stateTo
	if s.states == 0 {
		at, after = end, end
	}
	s.out = binary.AppendUvarint(s.out, uint64(end-from-(after-at)+stateSize(state)))
	s.next = from
	s.flush(at)
	s.appendState(state)
	s.next = after
}

// rewriteMany is rewrite for a span with several tracestate fields: the new one
// takes the place of the last.
func (s *scanner) rewriteMany(from, end int, state []byte) {
	size := end - from + stateSize(state)
	s.eachState(from, end, func(at, after int) { size -= after - at })
	s.out = binary.AppendUvarint(s.out, uint64(size))
	s.next = from
	s.eachState(from, end, func(at, after int) {
		s.flush(at)
		if at == s.stateFrom {
			s.appendState(state)
		}
		s.next = after
	})
}

// eachState finds the tracestate fields of a span that was scanned before.
func (s *scanner) eachState(pos, end int, found func(at, after int)) {
	for pos < end {
		tag, _, to := s.field(pos, end)
		if tag == traceStateTag {
			found(pos, to)
		}
		pos = to
	}
}

// stateSize is the size of a tracestate field, which is left out when empty.
func stateSize(state []byte) int {
	if len(state) == 0 {
		return 0
	}
	size := 2 + len(state)
	for n := len(state); n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

func (s *scanner) appendState(state []byte) {
	if len(state) == 0 {
		return
	}
	s.out = append(s.out, traceStateTag)
	s.out = binary.AppendUvarint(s.out, uint64(len(state)))
	s.out = append(s.out, state...)
}
