package otlpwire

import "encoding/binary"

// Wire types of protobuf, the low three bits of a tag.
const (
	wireVarint     = 0
	wireFixed64    = 1
	wireBytes      = 2
	wireStartGroup = 3
	wireEndGroup   = 4
	wireFixed32    = 5
)

// maxTag is the largest tag: field number 2^29-1 with any wire type.
const maxTag = 1<<32 - 1

// wire reads the fields of protobuf messages in b.
type wire struct {
	b        []byte
	err      *scanError
	groups   int // that are open
	maxDepth int
}

func (w *wire) fail(what problem, at int) int {
	w.err = &scanError{kind: ErrMalformed, what: what, offset: at}
	return -1
}

// plainField reads what nearly all fields are: numbered 1 to 15, with a length of
// one byte. For others its tag is 0, and field has to read them. Being inlined it
// saves a tenth of the time of a scan.
func plainField(b []byte, pos, end int) (tag uint32, from, to int) {
	if end-pos < 2 {
		return
	}
	tag, n := uint32(b[pos]), int(b[pos+1])
	if tag&0x87 != wireBytes || tag < 8 || n >= 0x80 || n > end-pos-2 {
		return 0, 0, 0
	}
	return tag, pos + 2, pos + 2 + n
}

// field reads the field at pos, below end, in a message that ends there. It
// returns the bounds of the value: of a length-delimited one without its length,
// of a group with the tag that ends it. to is also where the next field starts,
// or negative after err was set.
func (w *wire) field(start, end int) (tag uint32, from, to int) {
	pos := start + 1
	tag = uint32(w.b[start])
	if tag-8 >= 0x78 { // not a single byte with a field number of 1 to 15
		if tag, pos = w.tag(start, end); pos < 0 {
			return 0, 0, -1
		}
	}
	switch tag & 7 {
	case wireVarint:
		if pos < end && w.b[pos] < 0x80 {
			return tag, pos, pos + 1
		}
		_, to = w.varint(pos, end)
		return tag, pos, to
	case wireFixed64:
		if end-pos < 8 {
			return 0, 0, w.fail(truncated, pos)
		}
		return tag, pos, pos + 8
	case wireBytes:
		if pos < end {
			if n := int(w.b[pos]); n < 0x80 && n < end-pos {
				return tag, pos + 1, pos + 1 + n
			}
		}
		from, to = w.chunk(pos, end)
		return tag, from, to
	case wireFixed32:
		if end-pos < 4 {
			return 0, 0, w.fail(truncated, pos)
		}
		return tag, pos, pos + 4
	case wireStartGroup:
		return tag, pos, w.group(tag>>3, start, pos, end)
	case wireEndGroup:
		return 0, 0, w.fail(strayEndGroup, start)
	}
	return 0, 0, w.fail(illegalType, start)
}

func (w *wire) tag(pos, end int) (tag uint32, next int) {
	v, next := w.varint(pos, end)
	switch {
	case next < 0:
		return 0, -1
	case v > maxTag:
		return 0, w.fail(fieldTooBig, pos)
	case v < 8:
		return 0, w.fail(fieldZero, pos)
	}
	return uint32(v), next
}

// varint reads up to 10 bytes, of the tenth only one bit.
func (w *wire) varint(pos, end int) (v uint64, next int) {
	start := pos
	for shift := uint(0); pos < end; shift += 7 {
		c := w.b[pos]
		if shift == 63 && c > 1 {
			return 0, w.fail(longVarint, start)
		}
		pos++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, pos
		}
	}
	return 0, w.fail(truncated, start)
}

// chunk reads a length and returns the bounds of the bytes it announces.
func (w *wire) chunk(pos, end int) (from, to int) {
	n, from := w.varint(pos, end)
	if from < 0 {
		return 0, -1
	}
	if n > uint64(end-from) {
		return 0, w.fail(truncated, pos)
	}
	return from, from + int(n)
}

// group skips the group that starts at start, up to and with its end.
func (w *wire) group(number uint32, start, pos, end int) (next int) {
	if w.groups++; w.groups > w.maxDepth {
		w.err = &scanError{kind: ErrTooDeep, what: nestedGroups, offset: start, limit: w.maxDepth}
		return -1
	}
	for pos < end {
		tag, next := w.tag(pos, end)
		if next < 0 {
			return -1
		}
		if tag&7 == wireEndGroup {
			if tag>>3 != number {
				return w.fail(crossedEndGroup, pos)
			}
			w.groups--
			return next
		}
		if _, _, pos = w.field(pos, end); pos < 0 {
			return -1
		}
	}
	return w.fail(truncated, start)
}

// number returns the value of a varint that field has found.
func (w *wire) number(from, to int) uint64 {
	if to-from == 1 {
		return uint64(w.b[from])
	}
	v, _ := w.varint(from, to)
	return v
}

func (w *wire) fixed64(from int) uint64 { return binary.LittleEndian.Uint64(w.b[from:]) }

func (w *wire) fixed32(from int) uint32 { return binary.LittleEndian.Uint32(w.b[from:]) }

// fields is a set of field numbers below 32, as bits.
type fields uint32

// unknown says whether a field whose tag a message does not expect is none of
// its fields; if it is one it has the wrong wire type, which is refused.
func (w *wire) unknown(tag uint32, known fields, start int) bool {
	if n := tag >> 3; n < 32 && known>>n&1 == 1 {
		w.fail(wrongType, start)
		return false
	}
	return true
}
