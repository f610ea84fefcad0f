package block

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"appliance/internal/block/parquet"
)

// maxBound is how many bytes of a byte string a bound keeps, as in Tempo's
// blocks.
const maxBound = 16

// bounds collects the bounds of a column's pages. Their bytes lie in buf, which
// is reused for the next row group.
type bounds struct{ buf []byte }

// keep copies b, and never moves what it kept before. What it returns is not nil,
// which stands for no bound.
func (k *bounds) keep(b []byte) []byte {
	if k.buf == nil {
		k.buf = make([]byte, 0, 4*maxBound)
	}
	start := len(k.buf)
	k.buf = append(k.buf, b...)
	return k.buf[start:len(k.buf):len(k.buf)]
}

// text bounds values between two byte strings. The upper bound is cut, and then
// counted up so that it stays above all that begin like it.
func (k *bounds) text(least, most []byte) parquet.Bounds {
	if len(least) > maxBound {
		least = least[:maxBound]
	}
	if len(most) <= maxBound {
		return parquet.Bounds{Min: k.keep(least), Max: k.keep(most)}
	}
	cut := maxBound
	for cut > 0 && most[cut-1] == 0xff {
		cut--
	}
	if cut == 0 { // nothing short is above it
		return parquet.Bounds{Min: k.keep(least), Max: k.keep(most)}
	}
	up := k.keep(most[:cut])
	up[cut-1]++
	return parquet.Bounds{Min: k.keep(least), Max: up}
}

// compareBounds orders bounds of a column.
func (c *Column) compareBounds(a, b []byte) int {
	if c.Type == parquet.ByteArray {
		return bytes.Compare(a, b)
	}
	var x, y [8]byte
	copy(x[:], a)
	copy(y[:], b)
	i, j := binary.LittleEndian.Uint64(x[:]), binary.LittleEndian.Uint64(y[:])
	switch {
	case c.Type == parquet.Double:
		return cmp.Compare(math.Float64frombits(i), math.Float64frombits(j))
	case c.Unsigned:
		return cmp.Compare(i, j)
	case c.Type == parquet.Int32:
		return cmp.Compare(int32(i), int32(j))
	}
	return cmp.Compare(int64(i), int64(j))
}

// strings bounds byte strings that lie in data one after the other.
func (k *bounds) strings(lengths []int64, data []byte) parquet.Bounds {
	least, most := data[:lengths[0]], data[:lengths[0]]
	for _, n := range lengths {
		v := data[:n]
		data = data[n:]
		if bytes.Compare(v, least) < 0 {
			least = v
		} else if bytes.Compare(v, most) > 0 {
			most = v
		}
	}
	return k.text(least, most)
}

// integers bounds integers that are written in size bytes.
func (k *bounds) integers(values []int64, unsigned bool, size int) parquet.Bounds {
	var flip int64 // makes the order of unsigned ones that of signed ones
	if unsigned {
		flip = math.MinInt64
	}
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	for _, v := range values {
		least, most = min(least, v^flip), max(most, v^flip)
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(least^flip))
	lower := k.keep(b[:size])
	binary.LittleEndian.PutUint64(b[:], uint64(most^flip))
	return parquet.Bounds{Min: lower, Max: k.keep(b[:size])}
}

// bits bounds bools.
func (k *bounds) bits(values []bool) parquet.Bounds {
	both := [2][]byte{k.keep([]byte{0}), k.keep([]byte{1})}
	b := parquet.Bounds{Min: both[1], Max: both[0]}
	if slices.Contains(values, false) {
		b.Min = both[0]
	}
	if slices.Contains(values, true) {
		b.Max = both[1]
	}
	return b
}

// doubles bounds doubles by their bits. NaN is in no order, so it does not
// count, and the zeros are bounds of each other.
func (k *bounds) doubles(bits []int64) parquet.Bounds {
	least, most := math.Inf(1), math.Inf(-1)
	for _, b := range bits {
		if v := math.Float64frombits(uint64(b)); !math.IsNaN(v) {
			least, most = min(least, v), max(most, v)
		}
	}
	if least > most { // only NaN: anything may be said
		least, most = most, least
	}
	if least == 0 {
		least = math.Copysign(0, -1)
	}
	if most == 0 {
		most = 0
	}
	lower := k.keep(binary.LittleEndian.AppendUint64(nil, math.Float64bits(least)))
	return parquet.Bounds{Min: lower, Max: k.keep(binary.LittleEndian.AppendUint64(nil, math.Float64bits(most)))}
}
