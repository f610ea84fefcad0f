package otlpwire

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

// wire reads protobuf at positions of b. Its methods take a position and the
// end of the message they are in and return the position behind what they
// read, or a negative one after having set err.
type wire struct {
	b        []byte
	err      *scanError
	maxDepth int
}

func (w *wire) fail(what problem, at int) int {
	w.err = &scanError{kind: ErrMalformed, what: what, offset: at}
	return -1
}

// tag reads a tag at pos, which must be below end.
func (w *wire) tag(pos, end int) (tag uint32, next int) {
	if c := w.b[pos]; c-8 < 0x78 { // one byte, field 1 to 15
		return uint32(c), pos + 1
	}
	return w.longTag(pos, end)
}

func (w *wire) longTag(pos, end int) (tag uint32, next int) {
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

// skipVarint is varint for a value nobody wants.
func (w *wire) skipVarint(pos, end int) int {
	if pos < end && w.b[pos] < 0x80 {
		return pos + 1
	}
	_, next := w.varint(pos, end)
	return next
}

// chunk reads a length and returns the bounds of the bytes it announces.
func (w *wire) chunk(pos, end int) (from, to int) {
	if pos < end {
		if n := int(w.b[pos]); n < 0x80 && n < end-pos {
			return pos + 1, pos + 1 + n
		}
	}
	return w.longChunk(pos, end)
}

func (w *wire) longChunk(pos, end int) (from, to int) {
	n, from := w.varint(pos, end)
	if from < 0 {
		return 0, -1
	}
	if n > uint64(end-from) {
		return 0, w.fail(truncated, pos)
	}
	return from, from + int(n)
}

// fixed skips n bytes.
func (w *wire) fixed(pos, end, n int) int {
	if end-pos < n {
		return w.fail(truncated, pos)
	}
	return pos + n
}

// fields is a set of field numbers below 32, as bits.
type fields uint32

// unknown skips a field that the message does not know. start is where its tag
// stands, pos what follows the tag. A field of known comes here because of its
// wire type.
func (w *wire) unknown(tag uint32, known fields, start, pos, end int) int {
	if n := tag >> 3; n < 32 && known>>n&1 == 1 {
		return w.fail(wrongType, start)
	}
	return w.skip(tag, start, pos, end, 0)
}

func (w *wire) skip(tag uint32, start, pos, end, depth int) int {
	switch tag & 7 {
	case wireVarint:
		return w.skipVarint(pos, end)
	case wireFixed64:
		return w.fixed(pos, end, 8)
	case wireBytes:
		_, to := w.chunk(pos, end)
		return to
	case wireFixed32:
		return w.fixed(pos, end, 4)
	case wireStartGroup:
		return w.group(tag>>3, start, pos, end, depth+1)
	case wireEndGroup:
		return w.fail(strayEndGroup, start)
	}
	return w.fail(illegalType, start)
}

func (w *wire) group(number uint32, start, pos, end, depth int) int {
	if depth > w.maxDepth {
		w.err = &scanError{kind: ErrTooDeep, what: nestedGroups, offset: start, limit: w.maxDepth}
		return -1
	}
	for pos < end {
		at := pos
		var tag uint32
		if tag, pos = w.tag(pos, end); pos < 0 {
			return -1
		}
		if tag&7 == wireEndGroup {
			if tag>>3 != number {
				return w.fail(crossedEndGroup, at)
			}
			return pos
		}
		if pos = w.skip(tag, at, pos, end, depth); pos < 0 {
			return -1
		}
	}
	return w.fail(truncated, start)
}
