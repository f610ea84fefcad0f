package parquet

// Values are entries of a column, one after the other. An entry is a value or
// a null, at its place in the row that its levels tell. Rep and Def have one
// level an entry; Rep is empty in a column that nothing repeats, and Def in one
// that has no nulls. The values themselves are without the nulls, and in one of
// the slices: integers of both sizes in Ints; byte strings in Bytes, or, if the
// chunk has a dictionary, their places there in IDs.
//
// The slices are the caller's, to be used again: reading appends to them.
type Values struct {
	Entries int // nulls among them
	Rows    int // that begin in them
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

// A Dictionary has the distinct values of a column chunk. A column of this
// format has one only if it is of byte strings; integers are read too.
type Dictionary struct {
	Bytes ByteArrays
	Ints  []int64
	n     int
}

// Len is the number of values.
func (d *Dictionary) Len() int { return d.n }

// Find returns the place of a byte string. A dictionary is not sorted.
func (d *Dictionary) Find(s []byte) (id uint32, ok bool) {
	for i := range d.Bytes.Len() {
		if string(d.Bytes.At(i)) == string(s) {
			return uint32(i), true
		}
	}
	return 0, false
}
