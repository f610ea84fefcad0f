package traceql

import (
	"encoding/hex"
	"sort"
	"strings"
)

// Vector is a column: for each row of its level no value, one, or many.
type Vector struct {
	Parts []Part
	// Odd are the values of a well-known attribute that are not of its type (see
	// WellKnown), and its arrays. Only a comparison with a literal of another
	// type than the attribute's sees them.
	Odd []Part
	// Hidden are the rows, ascending, that have the attribute with a value that
	// queries do not see: bytes, lists, empty or mixed arrays. Such a value
	// still hides the one of the same key in the resource.
	Hidden []uint32
}

// Part has the values of one type. Value i is that of row i where Rows is nil,
// otherwise of Rows[i]. Rows ascends. A row that stands in it more than once has
// an array.
type Part struct {
	Type Type
	Rows []uint32

	// Of TypeString either IDs, each an index of Dict, or Raw.
	IDs  []uint32
	Dict []string
	// Raw holds identifiers of Width bytes each, which a query sees as lower
	// case hexadecimal, without leading zeros where Short is set.
	Raw   []byte
	Width int
	Short bool

	Floats []float64 // TypeFloat
	Ints   []int64   // all other types, as Value.Num has them
}

// Len is the number of values.
func (p *Part) Len() int {
	switch {
	case p.Width > 0:
		return len(p.Raw) / p.Width
	case p.Type == TypeString:
		return len(p.IDs)
	case p.Type == TypeFloat:
		return len(p.Floats)
	default:
		return len(p.Ints)
	}
}

// Row is the row of value i.
func (p *Part) Row(i int) uint32 {
	if p.Rows == nil {
		return uint32(i)
	}
	return p.Rows[i]
}

// Value is value i.
func (p *Part) Value(i int) Value {
	switch {
	case p.Width > 0:
		return StringValue(p.hex(i))
	case p.Type == TypeString:
		return StringValue(p.Dict[p.IDs[i]])
	case p.Type == TypeFloat:
		return FloatValue(p.Floats[i])
	default:
		return Value{Type: p.Type, Num: p.Ints[i]}
	}
}

func (p *Part) raw(i int) []byte { return p.Raw[i*p.Width : (i+1)*p.Width] }

func (p *Part) hex(i int) string {
	s := hex.EncodeToString(p.raw(i))
	if p.Short {
		s = strings.TrimLeft(s, "0")
	}
	return s
}

// span returns which values row has: from up to to.
func (p *Part) span(row uint32) (from, to int) {
	if p.Rows == nil {
		if int(row) < p.Len() {
			return int(row), int(row) + 1
		}
		return 0, 0
	}
	from = sort.Search(len(p.Rows), func(i int) bool { return p.Rows[i] >= row })
	for to = from; to < len(p.Rows) && p.Rows[to] == row; to++ {
	}
	return from, to
}

// At is the place of a row's first value; ok is false if it has none.
func (p *Part) At(row int) (i int, ok bool) {
	i, to := p.span(uint32(row))
	return i, i < to
}

// Append appends the values of a row to dst.
func (v *Vector) Append(dst []Value, row uint32) []Value {
	for k := range v.Parts {
		p := &v.Parts[k]
		for i, to := p.span(row); i < to; i++ {
			dst = append(dst, p.Value(i))
		}
	}
	return dst
}

// len is the number of values in Parts.
func (v *Vector) len() (n int) {
	for k := range v.Parts {
		n += v.Parts[k].Len()
	}
	return n
}

// present marks the rows that have a value.
func (v *Vector) present(rows *Bitmap) {
	for k := range v.Parts {
		v.Parts[k].markAll(rows)
	}
}

// keyed marks the rows that have the key, also with a value that is not seen.
func (v *Vector) keyed(rows *Bitmap) {
	v.present(rows)
	for k := range v.Odd {
		v.Odd[k].markAll(rows)
	}
	for _, r := range v.Hidden {
		rows.Set(int(r))
	}
}

// keyedIn says whether the row has the key, also with a value that is not seen.
func (v *Vector) keyedIn(row uint32) bool {
	for k := range v.Parts {
		if from, to := v.Parts[k].span(row); from < to {
			return true
		}
	}
	return v.hides(row)
}

// hides says whether the row has the key with a value that is not seen.
func (v *Vector) hides(row uint32) bool {
	for k := range v.Odd {
		if from, to := v.Odd[k].span(row); from < to {
			return true
		}
	}
	i := sort.Search(len(v.Hidden), func(i int) bool { return v.Hidden[i] >= row })
	return i < len(v.Hidden) && v.Hidden[i] == row
}
