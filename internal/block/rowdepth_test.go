package block

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"appliance/internal/block/parquet"
	"appliance/internal/otlpwire"
)

// inFields puts a message into one field after the other.
func inFields(b []byte, fields ...uint32) []byte {
	for _, n := range fields {
		head := binary.AppendUvarint(nil, uint64(n<<3|otlpwire.TagBytes))
		b = slices.Concat(binary.AppendUvarint(head, uint64(len(b))), b)
	}
	return b
}

// listed is an AnyValue in so many lists of keys and values.
func listed(depth int) []byte {
	b := []byte{1<<3 | otlpwire.TagBytes, 1, 'x'}
	for range depth {
		b = inFields(b, 2, 1, 6)
	}
	return b
}

// Messages that a block keeps as they are nest no deeper than those that come in: a
// forged block would take all of the stack of whoever decodes them.
func TestNestedMessages(t *testing.T) {
	arrays := listed(0)
	for range 500 {
		arrays = inFields(arrays, 1, 5)
	}
	for name, c := range map[string]struct {
		kind message
		b    []byte
		fits bool
	}{
		"a value":                 {eventValue, listed(100), true},
		"a value too deep":        {eventValue, listed(102), false},
		"arrays too deep":         {eventValue, arrays, false},
		"an attribute of a link":  {spanLinks, inFields(listed(100), 2, 4, 1), true},
		"one too deep":            {spanLinks, inFields(listed(101), 2, 4, 1), false},
		"the second of two links": {spanLinks, slices.Concat(inFields(nil, 1), inFields(listed(200), 2, 4, 1)), false},
		"not a message":           {eventValue, []byte{5<<3 | otlpwire.TagBytes, 9}, false},
		"not one within":          {eventValue, inFields([]byte{0xff}, 5), false},
	} {
		r := newRowReader(&layout{schema: &Schema{Columns: make([]Column, 1)}})
		r.cursors[0] = cursor{pages: &parquet.Pages{}, sealed: true, v: parquet.Values{
			Entries: 1, Bytes: parquet.ByteArrays{Data: c.b, Offsets: []uint32{0, uint32(len(c.b))}},
		}}
		got := r.message(c.kind, 0, 0)
		if fits := r.err == nil; fits != c.fits || !fits && !errors.Is(r.err, ErrDamaged) {
			t.Errorf("%s: %v", name, r.err)
		}
		if c.fits && string(got) != string(c.b) {
			t.Errorf("%s: other bytes", name)
		}
	}
}
