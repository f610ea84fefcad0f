package parquet

import (
	"encoding/binary"
	"iter"
	"slices"
	"unsafe"
)

// Values are entries of a column, one after the other. An entry is a value or
// a null, at the place in its row that the levels tell. Rep and Def have one
// level an entry; Rep is empty in a column that nothing repeats, and Def in one
// that has no nulls. The values are without the nulls, in one of the slices:
// integers of both sizes in Ints; byte strings in Bytes, or, if the chunk has a
// dictionary, their places in it in IDs.
//
// The slices are the caller's, to be used again: reading appends to them.
type Values struct {
	Entries int // with nulls
	Rows    int // that begin in the entries
	Rep     []uint8
	Def     []uint8
	Ints    []int64
	Doubles []float64
	Bools   []bool
	Bytes   ByteArrays
	IDs     []uint32
}

// Reset makes them empty and keeps their memory.
func (v *Values) Reset() {
	v.Entries, v.Rows = 0, 0
	v.Rep, v.Def = v.Rep[:0], v.Def[:0]
	v.Ints, v.Doubles, v.Bools, v.IDs = v.Ints[:0], v.Doubles[:0], v.Bools[:0], v.IDs[:0]
	v.Bytes.Reset()
}

// Held is how many bytes of memory they have, in use or not.
func (v *Values) Held() int {
	return cap(v.Rep) + cap(v.Def) + 8*cap(v.Ints) + 8*cap(v.Doubles) + cap(v.Bools) + 4*cap(v.IDs) + v.Bytes.Held()
}

// truncate drops what was appended since the lengths were those of mark.
func (v *Values) truncate(mark *Values) {
	v.Entries, v.Rows = mark.Entries, mark.Rows
	v.Rep, v.Def = v.Rep[:len(mark.Rep)], v.Def[:len(mark.Def)]
	v.Ints, v.Doubles, v.Bools, v.IDs = v.Ints[:len(mark.Ints)], v.Doubles[:len(mark.Doubles)], v.Bools[:len(mark.Bools)], v.IDs[:len(mark.IDs)]
	v.Bytes.Data, v.Bytes.Offsets = v.Bytes.Data[:len(mark.Bytes.Data)], v.Bytes.Offsets[:len(mark.Bytes.Offsets)]
}

// A Dictionary has the distinct values of a column chunk, in no order.
type Dictionary struct {
	data   []byte   // of a column of byte strings: each after its length of four bytes
	starts []uint32 // where the byte strings begin
	ints   []int64  // of a column of integers, whose Values have no IDs
}

// Len is the number of values.
func (d *Dictionary) Len() int { return max(len(d.starts), len(d.ints)) }

// Held is how many bytes of memory it has, in use or not. It may be nil.
func (d *Dictionary) Held() int {
	if d == nil {
		return 0
	}
	return cap(d.data) + 4*cap(d.starts) + 8*cap(d.ints)
}

// At is a byte string, valid as long as the dictionary.
func (d *Dictionary) At(id uint32) []byte {
	at := d.starts[id]
	end := at + binary.LittleEndian.Uint32(d.data[at-4:])
	return d.data[at:end:end]
}

// Find returns the place of a byte string.
func (d *Dictionary) Find(s []byte) (id uint32, ok bool) {
	for i := range d.starts {
		if string(d.At(uint32(i))) == string(s) {
			return uint32(i), true
		}
	}
	return 0, false
}

// Strings returns the byte strings as strings, which share the memory of the
// dictionary: it must not be read into again.
func (d *Dictionary) Strings() []string {
	return slices.AppendSeq(make([]string, 0, len(d.starts)), d.Texts())
}

// Texts yields what Strings returns.
func (d *Dictionary) Texts() iter.Seq[string] {
	return func(yield func(string) bool) {
		whole := unsafe.String(unsafe.SliceData(d.data), len(d.data))
		for _, at := range d.starts {
			if !yield(whole[at : at+binary.LittleEndian.Uint32(d.data[at-4:])]) {
				return
			}
		}
	}
}

// setText takes n byte strings of encoding PLAIN over.
func (d *Dictionary) setText(data []byte, n int) error {
	if 4*uint64(n) > uint64(len(data)) {
		return shortValues("byte strings", n, data)
	}
	d.data, d.ints = data, nil
	d.starts = slices.Grow(d.starts[:0], n)
	at := uint64(0)
	for range n {
		if at+4 > uint64(len(data)) {
			return shortValues("byte strings", n, data)
		}
		d.starts = append(d.starts, uint32(at+4))
		at += 4 + uint64(binary.LittleEndian.Uint32(data[at:]))
	}
	if at != uint64(len(data)) {
		return shortValues("byte strings", n, data)
	}
	return nil
}
