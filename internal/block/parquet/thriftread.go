package parquet

import "errors"

// Types of the compact protocol that no structure of ours has.
const (
	thriftStop   = 0
	thriftDouble = 7
	thriftSet    = 10
	thriftMap    = 11
)

// maxThriftDepth bounds structures in structures. Parquet's metadata has seven.
const maxThriftDepth = 32

var (
	errThriftShort   = errors.New("thrift structure ends early")
	errThriftDepth   = errors.New("thrift structure is nested too deeply")
	errThriftType    = errors.New("thrift structure has a type that does not exist")
	errThriftNumber  = errors.New("thrift structure has a number out of range")
	errThriftMissing = errors.New("thrift structure lacks a required field")
)

// thriftReader reads the compact protocol. The first error stays, and each
// method returns a zero value after it. Nothing is allocated by what a count
// says: an element takes at least a byte, so no count exceeds what is left.
type thriftReader struct {
	b     []byte // what is left
	err   error
	depth int
}

func (r *thriftReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *thriftReader) byte() byte {
	if len(r.b) == 0 {
		r.fail(errThriftShort)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *thriftReader) uvarint() uint64 {
	var x uint64
	for shift := 0; shift < 64; shift += 7 {
		c := r.byte()
		if c < 0x80 {
			if shift == 63 && c > 1 {
				break
			}
			return x | uint64(c)<<shift
		}
		x |= uint64(c&0x7f) << shift
	}
	r.fail(errThriftNumber)
	return 0
}

func (r *thriftReader) i64() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *thriftReader) i32() int32 {
	v := r.i64()
	if v != int64(int32(v)) {
		r.fail(errThriftNumber)
		return 0
	}
	return int32(v)
}

// binary returns bytes of the input, not a copy.
func (r *thriftReader) binary() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail(errThriftShort)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// fields calls visit for each field of a structure. Visit reads the value of a
// field that it knows, of the type that it expects, and returns true; any other
// field is skipped.
func (r *thriftReader) fields(visit func(id int16, kind byte) bool) {
	if r.depth++; r.depth > maxThriftDepth {
		r.fail(errThriftDepth)
	}
	defer func() { r.depth-- }()
	id := int16(0)
	for r.err == nil {
		c := r.byte()
		kind := c & 15
		if kind == thriftStop || r.err != nil {
			return
		}
		if delta := int16(c >> 4); delta != 0 {
			if id += delta; id < 0 {
				r.fail(errThriftNumber)
			}
		} else if v := r.i64(); v != int64(int16(v)) {
			r.fail(errThriftNumber)
		} else {
			id = int16(v)
		}
		if r.err == nil && !visit(id, kind) {
			r.skip(kind)
		}
	}
}

// list calls visit for each element, of which there are n.
func (r *thriftReader) list(visit func(i, n int, kind byte)) {
	n, kind := r.listHeader()
	for i := 0; i < n && r.err == nil; i++ {
		visit(i, n, kind)
	}
}

func (r *thriftReader) listHeader() (n int, kind byte) {
	c := r.byte()
	size := uint64(c >> 4)
	if size == 15 {
		size = r.uvarint()
	}
	if size > uint64(len(r.b)) {
		r.fail(errThriftShort)
		return 0, 0
	}
	return int(size), c & 15
}

// skip passes over a value that is a field.
func (r *thriftReader) skip(kind byte) {
	if kind != thriftTrue && kind != thriftFalse { // whose value is the type
		r.skipElement(kind)
	}
}

// skipElement passes over a value that is in a list, a set or a map.
func (r *thriftReader) skipElement(kind byte) {
	if r.depth++; r.depth > maxThriftDepth {
		r.fail(errThriftDepth)
	}
	defer func() { r.depth-- }()
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		r.skipBytes(8)
	case thriftBinary:
		r.binary()
	case thriftList, thriftSet:
		r.list(func(_, _ int, kind byte) { r.skipElement(kind) })
	case thriftMap:
		r.skipMap()
	case thriftStruct:
		r.fields(func(int16, byte) bool { return false })
	default:
		r.fail(errThriftType)
	}
}

func (r *thriftReader) skipMap() {
	n := r.uvarint()
	if n == 0 {
		return
	}
	kinds := r.byte()
	if n > uint64(len(r.b)) {
		r.fail(errThriftShort)
	}
	for i := uint64(0); i < n && r.err == nil; i++ {
		r.skipElement(kinds >> 4)
		r.skipElement(kinds & 15)
	}
}

func (r *thriftReader) skipBytes(n int) {
	if n > len(r.b) {
		r.fail(errThriftShort)
		return
	}
	r.b = r.b[n:]
}
