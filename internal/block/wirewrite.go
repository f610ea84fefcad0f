package block

import (
	"encoding/binary"
	"slices"
)

// wire appends protobuf.
type wire struct{ b []byte }

const (
	varintType  = 0
	fixed64Type = 1
	bytesType   = 2
)

func (w *wire) tag(field, kind int) { w.b = append(w.b, byte(field<<3|kind)) } // fields up to 15

// bytes writes a field, also one that is empty.
func (w *wire) bytes(field int, v []byte) {
	w.tag(field, bytesType)
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

// text writes a field that may be left out where it is empty.
func (w *wire) text(field int, v []byte) {
	if len(v) > 0 {
		w.bytes(field, v)
	}
}

func (w *wire) varint(field int, v uint64) {
	if v != 0 {
		w.tag(field, varintType)
		w.b = binary.AppendUvarint(w.b, v)
	}
}

func (w *wire) fixed64(field int, v uint64) {
	if v != 0 {
		w.tag(field, fixed64Type)
		w.b = binary.LittleEndian.AppendUint64(w.b, v)
	}
}

// mark is where a message begins.
type mark struct{ at, room int }

// open begins a message. Room is how many bytes its length will likely take:
// another number of them costs that the message is moved.
func (w *wire) open(field, room int) mark {
	w.tag(field, bytesType)
	w.b = append(w.b, 0, 0, 0, 0)[:len(w.b)+room]
	return mark{len(w.b), room}
}

// close writes the length of a message that ends here.
func (w *wire) close(m mark) {
	n := len(w.b) - m.at
	size := uvarintSize(uint64(n))
	if extra := size - m.room; extra > 0 {
		w.b = slices.Grow(w.b, extra)[:len(w.b)+extra]
		copy(w.b[m.at+extra:], w.b[m.at:m.at+n])
	} else if extra < 0 {
		copy(w.b[m.at+extra:], w.b[m.at:])
		w.b = w.b[:len(w.b)+extra]
	}
	binary.PutUvarint(w.b[m.at-m.room:m.at-m.room+size], uint64(n))
}

func uvarintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
