package parquet

import "encoding/binary"

// Types of thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

// thriftWriter appends structures in thrift's compact protocol. Fields are
// written in ascending order of their numbers.
type thriftWriter struct {
	b    []byte
	last []int16 // number of the last field, of each structure that is open
}

func newThriftWriter(dst []byte) *thriftWriter {
	return &thriftWriter{b: dst, last: make([]int16, 1, 8)}
}

// begin opens a structure that is an element of a list.
func (w *thriftWriter) begin() { w.last = append(w.last, 0) }

// end closes the innermost structure.
func (w *thriftWriter) end() {
	w.b = append(w.b, 0)
	w.last = w.last[:len(w.last)-1]
}

func (w *thriftWriter) header(number int16, kind byte) {
	last := &w.last[len(w.last)-1]
	if delta := number - *last; delta > 0 && delta <= 15 {
		w.b = append(w.b, byte(delta)<<4|kind)
	} else {
		w.b = binary.AppendVarint(append(w.b, kind), int64(number))
	}
	*last = number
}

// beginField opens a structure that is a field.
func (w *thriftWriter) beginField(number int16) {
	w.header(number, thriftStruct)
	w.begin()
}

// empty is a field that is a structure without fields, as the members of
// thrift's unions often are.
func (w *thriftWriter) empty(number int16) {
	w.beginField(number)
	w.end()
}

func (w *thriftWriter) bool(number int16, v bool) {
	if v {
		w.header(number, thriftTrue)
	} else {
		w.header(number, thriftFalse)
	}
}

func (w *thriftWriter) byte(number int16, v int8) {
	w.header(number, thriftByte)
	w.b = append(w.b, byte(v))
}

func (w *thriftWriter) i16(number int16, v int16) {
	w.header(number, thriftI16)
	w.b = binary.AppendVarint(w.b, int64(v))
}

func (w *thriftWriter) i32(number int16, v int32) {
	w.header(number, thriftI32)
	w.b = binary.AppendVarint(w.b, int64(v))
}

func (w *thriftWriter) i64(number int16, v int64) {
	w.header(number, thriftI64)
	w.b = binary.AppendVarint(w.b, v)
}

func (w *thriftWriter) binary(number int16, v []byte) {
	w.header(number, thriftBinary)
	w.element(v)
}

func (w *thriftWriter) string(number int16, v string) {
	w.header(number, thriftBinary)
	w.elementString(v)
}

// list is the header of a field with n elements, which the caller writes.
func (w *thriftWriter) list(number int16, kind byte, n int) {
	w.header(number, thriftList)
	if n < 15 {
		w.b = append(w.b, byte(n)<<4|kind)
		return
	}
	w.b = binary.AppendUvarint(append(w.b, 0xf0|kind), uint64(n))
}

func (w *thriftWriter) element(v []byte) {
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *thriftWriter) elementString(v string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *thriftWriter) elementInt(v int64) { w.b = binary.AppendVarint(w.b, v) }
