package block

import (
	"bytes"
	"encoding/binary"

	"appliance/internal/otlpwire"
)

// compactor writes plain spans in a compact form, in which they are sorted: texts
// by their numbers in a vocabulary, attributes by the number of their pattern. It
// takes a quarter of the bytes, and is written into columns without being parsed
// again. A span is plain if it has ids of 16 and 8 bytes, neither events nor links
// nor fields that are not known, and attributes that are texts and numbers, all as
// encoders mostly write them. Any other stays as it is on the wire.
type compactor struct {
	key      uint64 // of the digest
	words    vocabulary
	patterns patterns

	span    plainSpan
	values  []byte
	special [len(spanSpecials)]uint64 // hashes of the attributes with columns of their own
	has     [len(spanSpecials)]bool
}

// plainSpan is what a plain span has beside its attributes.
type plainSpan struct {
	trace, id, parent, state, name, message []byte
	start, end                              uint64
	dropped                                 [3]uint32
	flags                                   uint32
	kind, status                            uint8
	pattern                                 *pattern
	attrs                                   uint64 // sum of the attributes' hashes
}

// A compact span is
//
//	0     0, which no span on the wire begins with
//	1     what it has: the bits below
//	2     kind, status
//	4     number of the pattern, 4 bytes
//	8     span id, start, end, and the hash of the content, 8 bytes each
//	40    the parent's id, flags, and the three counts of what was dropped, in
//	      8, 4 and 12 bytes, each only if it has them
//	      name, trace state and message, the last two only if it has them
//	      the values of the attributes
//
// Numbers are little-endian. A text is a varint: its number in the vocabulary
// twice, or its length twice and 1, and then its bytes. A value is a text, a
// varint, or 8 bytes of a double.
const (
	compactMark   = 0
	compactID     = 8
	compactStart  = 16
	compactEnd    = 24
	compactHash   = 32
	compactHeader = 40

	hasParent  = 1
	hasFlags   = 2
	hasDropped = 4
	hasState   = 8
	hasMessage = 16
)

// append appends the compact form of a span, and returns its trace id. ok is
// false, and nothing appended, if it is not plain.
func (c *compactor) append(dst, span []byte) (_ []byte, id [16]byte, ok bool) {
	if !c.scan(span) {
		return dst, id, false
	}
	s := &c.span
	copy(id[:], s.trace)
	var has byte
	if len(bytes.Trim(s.parent, "\x00")) > 0 {
		has |= hasParent
	} else {
		s.parent = nil
	}
	if s.flags != 0 {
		has |= hasFlags
	}
	if s.dropped != [3]uint32{} {
		has |= hasDropped
	}
	if len(s.state) > 0 {
		has |= hasState
	}
	if len(s.message) > 0 {
		has |= hasMessage
	}
	at := len(dst)
	dst = append(dst, compactMark, has, s.kind, s.status)
	dst = binary.LittleEndian.AppendUint32(dst, s.pattern.id)
	dst = append(dst, s.id...)
	dst = binary.LittleEndian.AppendUint64(dst, s.start)
	dst = binary.LittleEndian.AppendUint64(dst, s.end)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = append(dst, s.parent...)
	if has&hasFlags != 0 {
		dst = binary.LittleEndian.AppendUint32(dst, s.flags)
	}
	if has&hasDropped != 0 {
		for _, n := range s.dropped {
			dst = binary.LittleEndian.AppendUint32(dst, n)
		}
	}
	h := spanHash{
		id: textHash(s.id), parent: textHash(s.parent), state: noTextHash, kind: uint64(s.kind), start: s.start, duration: s.end - s.start,
		status: uint64(s.status), message: noTextHash, attrs: s.attrs,
		dropped: [3]uint64{uint64(s.dropped[0]), uint64(s.dropped[1]), uint64(s.dropped[2])},
	}
	dst, h.name = c.text(dst, s.name)
	if has&hasState != 0 {
		dst, h.state = c.text(dst, s.state)
	}
	if has&hasMessage != 0 {
		dst, h.message = c.text(dst, s.message)
	}
	binary.LittleEndian.PutUint64(dst[at+compactHash:], h.content(traceHash(c.key, &id)))
	return append(dst, c.values...), id, true
}

// text appends a text, and returns its hash.
func (c *compactor) text(dst, text []byte) ([]byte, uint64) {
	if id, _, ok := c.words.find(text); ok {
		return binary.AppendUvarint(dst, uint64(id)<<1), c.words.hashes[id]
	}
	return appendOwnText(dst, text), textHash(text)
}

func appendOwnText(dst, text []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))<<1|1), text...)
}

// value appends the text of an attribute of pattern p, and returns its hash.
func (c *compactor) value(dst []byte, p *pattern, text []byte) ([]byte, uint64) {
	if p.guess > 0 && bytes.Equal(c.words.text(p.guess-1), text) {
		return binary.AppendUvarint(dst, uint64(p.guess-1)<<1), c.words.hashes[p.guess-1]
	}
	if !p.unlike() {
		id, fresh, ok := c.words.find(text)
		p.looked++
		if fresh || !ok {
			p.unique++
		}
		if ok {
			p.guess = id + 1
			return binary.AppendUvarint(dst, uint64(id)<<1), c.words.hashes[id]
		}
	}
	return appendOwnText(dst, text), textHash(text)
}

// Tags of the fields of a span and of what it has, as they are on the wire.
const (
	tagVarint  = otlpwire.TagVarint
	tagFixed64 = otlpwire.TagFixed64
	tagBytes   = otlpwire.TagBytes
	tagFixed32 = otlpwire.TagFixed32
)

// scan reads a span. It returns false if that is not plain.
func (c *compactor) scan(b []byte) bool {
	s := &c.span
	*s = plainSpan{pattern: c.patterns.all[0]}
	c.values = c.values[:0]
	c.has = [len(spanSpecials)]bool{}
	for at := 0; at < len(b); {
		tag := b[at]
		at++
		switch tag & 7 {
		case tagBytes:
			from, to := shortBytes(b, at)
			if from < 0 {
				return false
			}
			at = to
			if !c.bytesField(tag>>3, b[from:to:to]) {
				return false
			}
		case tagFixed64:
			if len(b)-at < 8 {
				return false
			}
			number := binary.LittleEndian.Uint64(b[at:])
			at += 8
			switch tag >> 3 {
			case 7:
				s.start = number
			case 8:
				s.end = number
			default:
				return false
			}
		case tagVarint:
			number, n := binary.Uvarint(b[at:])
			if n <= 0 {
				return false
			}
			at += n
			if !s.varintField(tag>>3, number) {
				return false
			}
		case tagFixed32:
			if tag != 0x85 || len(b)-at < 5 || b[at] != 1 { // flags have number 16
				return false
			}
			s.flags = binary.LittleEndian.Uint32(b[at+1:])
			at += 5
		default:
			return false
		}
	}
	for i, has := range c.has {
		if has {
			s.attrs += c.special[i]
		}
	}
	return len(s.trace) == 16 && len(s.id) == 8 && (len(s.parent) == 0 || len(s.parent) == 8)
}

func (c *compactor) bytesField(number byte, v []byte) bool {
	s := &c.span
	switch number {
	case 9:
		s.pattern = c.attribute(s.pattern, v)
		return s.pattern != nil
	case 1:
		s.trace = v
	case 2:
		s.id = v
	case 3:
		s.state = v
	case 4:
		s.parent = v
	case 5:
		s.name = v
	case 15:
		return s.readStatus(v)
	default:
		return false
	}
	return true
}

func (s *plainSpan) varintField(field byte, number uint64) bool {
	switch field {
	case 6:
		s.kind = byte(number)
		return number < 0x80
	case 10, 12, 14:
		s.dropped[field/2-5] = uint32(number)
		return number < 1<<31
	}
	return false
}

func (s *plainSpan) readStatus(m []byte) bool {
	for at := 0; at < len(m); {
		tag := m[at]
		at++
		switch tag {
		case 2<<3 | tagBytes:
			from, to := shortBytes(m, at)
			if from < 0 {
				return false
			}
			s.message, at = m[from:to:to], to
		case 3<<3 | tagVarint:
			if at == len(m) || m[at] >= 0x80 {
				return false
			}
			s.status = m[at]
			at++
		default:
			return false
		}
	}
	return true
}

// shortBytes returns where the bytes of a field are whose length is at a place:
// from is -1 where it takes more than two bytes, or is wrong.
func shortBytes(b []byte, at int) (from, to int) {
	if at >= len(b) {
		return -1, 0
	}
	n := int(b[at])
	at++
	if n >= 0x80 {
		if at >= len(b) || b[at] >= 0x80 {
			return -1, 0
		}
		n = n&0x7f | int(b[at])<<7
		at++
	}
	if n > len(b)-at {
		return -1, 0
	}
	return at, at + n
}

// attribute takes one more attribute, a KeyValue, and returns the pattern with it,
// or nil if it is not plain.
func (c *compactor) attribute(p *pattern, m []byte) *pattern {
	if len(m) == 0 || m[0] != 1<<3|tagBytes {
		return nil
	}
	from, to := shortBytes(m, 1)
	if from < 0 || to >= len(m) || m[to] != 2<<3|tagBytes {
		return nil
	}
	key := m[from:to]
	from, to = shortBytes(m, to+1)
	if from < 0 || to != len(m) || from == to {
		return nil
	}
	v := m[from:to]
	var number uint64
	var n int // bytes behind the tag
	switch v[0] {
	case anyText<<3 | tagBytes:
		from, to := shortBytes(v, 1)
		if from < 0 || to != len(v) {
			return nil
		}
		if p = p.next(&c.patterns, &c.words, key, anyText); p == nil {
			return nil
		}
		c.values, number = c.value(c.values, p, v[from:to])
		c.sum(p, number)
		return p
	case anyInt<<3 | tagVarint:
		number, n = binary.Uvarint(v[1:])
	case anyBool<<3 | tagVarint:
		if number, n = binary.Uvarint(v[1:]); number > 1 {
			return nil
		}
	case anyDouble<<3 | tagFixed64:
		if len(v) == 9 {
			number, n = binary.LittleEndian.Uint64(v[1:]), 8
		}
	}
	if n <= 0 || n != len(v)-1 {
		return nil
	}
	if p = p.next(&c.patterns, &c.words, key, v[0]>>3); p == nil {
		return nil
	}
	c.sum(p, number)
	if p.kind == anyDouble {
		c.values = append(c.values, v[1:]...)
	} else {
		c.values = binary.AppendUvarint(c.values, number)
	}
	return p
}

// sum takes the value of an attribute into the sum of hashes, a number or the hash
// of a text.
func (c *compactor) sum(p *pattern, value uint64) {
	h := fold(p.base, value)
	if p.special >= 0 {
		c.special[p.special], c.has[p.special] = h, true
		return
	}
	c.span.attrs += h
}
