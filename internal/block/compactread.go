package block

import (
	"encoding/binary"
	"errors"
)

// errCompact says that spans were sorted and are not what they were.
var errCompact = errors.New("a span changed while it was sorted")

// compact says whether a span is in the compact form.
func compact(span []byte) bool { return len(span) >= compactHeader && span[0] == compactMark }

// compactText is a text of a compact span: word is its number in the vocabulary, plus
// 1, or 0 where it has none.
type compactText struct {
	word uint32
	text []byte
}

// compactReader reads what is behind the header of a compact span.
type compactReader struct {
	rest  []byte
	words *vocabulary
	err   error
}

func (r *compactReader) fail() {
	r.err = errCompact
	r.rest = nil
}

// take returns the next n bytes, which are zeros after an error.
func (r *compactReader) take(n int) []byte {
	if len(r.rest) < n {
		r.fail()
		return make([]byte, n)
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *compactReader) varint() uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 {
		v := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// ref reads a text: a number of the vocabulary, plus 1, or 0 and the text.
func (r *compactReader) ref() (word uint32, own []byte) {
	v := r.varint()
	if v&1 == 0 {
		if v>>1 >= uint64(len(r.words.words)) {
			r.fail()
			return 0, nil
		}
		return uint32(v>>1) + 1, nil
	}
	if v>>1 > uint64(len(r.rest)) {
		r.fail()
		return 0, nil
	}
	return 0, r.take(int(v >> 1))
}

// text reads a text.
func (r *compactReader) text() (t compactText) {
	if t.word, t.text = r.ref(); t.word > 0 {
		t.text = r.words.text(t.word - 1)
	}
	return t
}

// readCompact reads a compact span.
func (s *spanHead) readCompact(c *compactor) error {
	b := s.raw
	has := b[1]
	s.kind, s.status = int32(b[2]), int32(b[3])
	number := binary.LittleEndian.Uint32(b[4:])
	if number >= uint32(len(c.patterns.all)) {
		return errCompact
	}
	s.pattern = c.patterns.all[number]
	s.id = b[compactID:compactStart:compactStart]
	s.start, s.end = binary.LittleEndian.Uint64(b[compactStart:]), binary.LittleEndian.Uint64(b[compactEnd:])
	s.content = binary.LittleEndian.Uint64(b[compactHash:])
	r := compactReader{rest: b[compactHeader:], words: &c.words}
	if has&hasParent != 0 {
		s.parent = r.take(8)
	}
	if has&hasFlags != 0 {
		r.take(4)
		s.flags = true
	}
	if has&hasDropped != 0 {
		for i := range s.dropped {
			s.dropped[i] = int32(binary.LittleEndian.Uint32(r.take(4)))
		}
	}
	name := r.text()
	s.name, s.nameWord = name.text, name.word
	if has&hasState != 0 {
		s.state = r.text().text
	}
	if has&hasMessage != 0 {
		s.message = r.text().text
	}
	s.attrs = r.rest
	return r.err
}

// appendWire appends a compact span as it is on the wire.
func (c *compactor) appendWire(dst []byte, trace *[16]byte, span []byte) ([]byte, error) {
	s := spanHead{raw: span}
	if err := s.readCompact(c); err != nil {
		return dst, err
	}
	w := wire{dst}
	w.bytes(1, trace[:])
	for i, v := range [][]byte{s.id, s.state, s.parent, s.name} {
		w.text(i+2, v)
	}
	w.varint(6, uint64(s.kind))
	w.fixed64(7, s.start)
	w.fixed64(8, s.end)
	r := compactReader{rest: s.attrs, words: &c.words}
	for _, p := range s.pattern.attributes() {
		attribute := w.open(9, 1)
		w.bytes(1, p.key)
		value := w.open(2, 1)
		r.writeValue(&w, p.kind)
		w.close(value)
		w.close(attribute)
	}
	for i, n := range s.dropped {
		w.varint(10+2*i, uint64(n))
	}
	if len(s.message) > 0 || s.status != 0 {
		status := w.open(15, 1)
		w.text(2, s.message)
		w.varint(3, uint64(s.status))
		w.close(status)
	}
	if s.flags {
		at := compactHeader + len(s.parent)
		w.b = append(binary.AppendUvarint(w.b, 16<<3|tagFixed32), span[at:at+4]...)
	}
	return w.b, r.err
}

// writeValue writes the next value as an AnyValue of a kind.
func (r *compactReader) writeValue(w *wire, kind uint8) {
	switch kind {
	case anyText:
		w.bytes(anyText, r.text().text)
	case anyDouble:
		w.tag(anyDouble, fixed64Type)
		w.b = append(w.b, r.take(8)...)
	default:
		w.tag(int(kind), varintType)
		w.b = binary.AppendUvarint(w.b, r.varint())
	}
}
