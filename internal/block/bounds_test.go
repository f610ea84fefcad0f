package block

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"appliance/internal/block/parquet"
)

// TestTextBounds holds what pruning rests on: a bound that is cut is still a
// bound.
func TestTextBounds(t *testing.T) {
	ff := strings.Repeat("\xff", maxBound)
	for _, tt := range []struct{ least, most, wantMin, wantMax string }{
		{"", "", "", ""},
		{"a", "b", "a", "b"},
		{"exactly16bytes!!", "exactly16bytes!!", "exactly16bytes!!", "exactly16bytes!!"},
		{"exactly16bytes!!!", "exactly16bytes!!!", "exactly16bytes!!", "exactly16bytes!\""},
		{"a", "fifteen-bytes..\xff.", "a", "fifteen-bytes./"},
		{"a", ff, "a", ff},
		{"a", ff + "x", "a", ff + "x"}, // nothing shorter is above it
		{ff + "x", ff + "y", ff, ff + "y"},
	} {
		got := new(bounds).text([]byte(tt.least), []byte(tt.most))
		if string(got.Min) != tt.wantMin || string(got.Max) != tt.wantMax {
			t.Errorf("%q to %q are bounded by %q and %q, want %q and %q", tt.least, tt.most, got.Min, got.Max, tt.wantMin, tt.wantMax)
		}
		if got.Min == nil || got.Max == nil {
			t.Errorf("%q to %q: a bound is nil, as those of a page of nulls are", tt.least, tt.most)
		}
		if bytes.Compare(got.Min, []byte(tt.least)) > 0 || bytes.Compare(got.Max, []byte(tt.most)) < 0 {
			t.Errorf("%q to %q are not between %q and %q", tt.least, tt.most, got.Min, got.Max)
		}
	}
}

func TestNumberBounds(t *testing.T) {
	le := func(v uint64) string { return string(binary.LittleEndian.AppendUint64(nil, v)) }
	bits := func(v ...float64) (out []int64) {
		for _, f := range v {
			out = append(out, int64(math.Float64bits(f)))
		}
		return out
	}
	double := func(v float64) string { return le(math.Float64bits(v)) }
	k := new(bounds)
	for name, tt := range map[string]struct {
		got              parquet.Bounds
		wantMin, wantMax string
	}{
		"signed":           {k.integers([]int64{3, -1, 2}, false, 8), le(math.MaxUint64), le(3)},
		"unsigned":         {k.integers([]int64{3, -1, 2}, true, 8), le(2), le(math.MaxUint64)},
		"of 32 bits":       {k.integers([]int64{3, -1}, false, 4), "\xff\xff\xff\xff", "\x03\x00\x00\x00"},
		"bools":            {k.integers([]int64{0, 1}, false, 1), "\x00", "\x01"},
		"doubles":          {k.doubles(bits(1, -2, math.NaN())), double(-2), double(1)},
		"zeros":            {k.doubles(bits(0)), double(math.Copysign(0, -1)), double(0)},
		"a negative zero":  {k.doubles(bits(math.Copysign(0, -1))), double(math.Copysign(0, -1)), double(0)},
		"not a number":     {k.doubles(bits(math.NaN())), double(math.Inf(-1)), double(math.Inf(1))},
		"the greatest one": {k.doubles(bits(math.Inf(1))), double(math.Inf(1)), double(math.Inf(1))},
	} {
		if string(tt.got.Min) != tt.wantMin || string(tt.got.Max) != tt.wantMax {
			t.Errorf("%s: %x and %x, want %x and %x", name, tt.got.Min, tt.got.Max, tt.wantMin, tt.wantMax)
		}
	}
}
