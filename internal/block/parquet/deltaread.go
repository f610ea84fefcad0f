package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// errDelta says that a section of differences is not one.
var errDelta = errors.New("differences of a page are damaged")

// maxDeltaBlock bounds the values of a block. Writers take 128.
const maxDeltaBlock = 1 << 16

// deltaHeader begins DELTA_BINARY_PACKED: values come in blocks of miniblocks.
type deltaHeader struct {
	block, miniblocks, total int
	first                    int64
}

func readDeltaHeader(src []byte) (h deltaHeader, rest []byte, err error) {
	var v [4]uint64
	rest = src
	for i := range v {
		x, k := binary.Uvarint(rest)
		if k <= 0 {
			return h, nil, fmt.Errorf("%w: no header in %d bytes", errDelta, len(src))
		}
		v[i], rest = x, rest[k:]
	}
	if v[0] == 0 || v[0] > maxDeltaBlock || v[1] == 0 || v[0]%v[1] != 0 || v[0]/v[1]%8 != 0 || v[2] > math.MaxInt32 {
		return h, nil, fmt.Errorf("%w: %d values in blocks of %d in %d parts", errDelta, v[2], v[0], v[1])
	}
	return deltaHeader{int(v[0]), int(v[1]), int(v[2]), int64(v[3]>>1) ^ -int64(v[3]&1)}, rest, nil
}

// deltaInts appends the n integers that src begins with, and returns what
// follows them. Sums wrap at narrow bits, as the format asks: 32 or 64.
func deltaInts(dst []int64, src []byte, n int, narrow bool) (_ []int64, rest []byte, err error) {
	h, rest, err := readDeltaHeader(src)
	if err != nil {
		return dst, nil, err
	}
	if h.total != n {
		return dst, nil, fmt.Errorf("%w: %d values, where %d are missing", errDelta, h.total, n)
	}
	if n == 0 {
		return dst, rest, nil
	}
	start := len(dst)
	dst = grow(dst, n)
	out := dst[start:]
	out[0] = h.first
	last := h.first
	for out = out[1:]; len(out) > 0; {
		if last, out, rest, err = h.readBlock(out, rest, last); err != nil {
			return dst[:start], nil, err
		}
	}
	if narrow {
		for i, v := range dst[start:] {
			dst[start+i] = int64(int32(v))
		}
	}
	return dst, rest, nil
}

// readBlock fills the beginning of out with a block, and returns what remains
// of out and src, and the last value.
func (h *deltaHeader) readBlock(out []int64, src []byte, last int64) (int64, []int64, []byte, error) {
	zigzag, k := binary.Uvarint(src)
	if k <= 0 || len(src)-k < h.miniblocks {
		return 0, nil, nil, fmt.Errorf("%w: no header of a block in %d bytes", errDelta, len(src))
	}
	least := int64(zigzag>>1) ^ -int64(zigzag&1)
	widths, src := src[k:k+h.miniblocks], src[k+h.miniblocks:]
	each := h.block / h.miniblocks
	for _, width := range widths {
		if len(out) == 0 {
			break // what is not needed has a width and no bytes
		}
		size := each / 8 * int(width)
		count := min(each, len(out))
		if width > 64 || (count*int(width)+7)/8 > len(src) {
			return 0, nil, nil, fmt.Errorf("%w: %d values of %d bits in %d bytes", errDelta, count, width, len(src))
		}
		last = unpackDeltas(out[:count], src, uint(width), least, last)
		out, src = out[count:], src[min(size, len(src)):] // a writer may cut the last one short
	}
	return last, out, src, nil
}

// unpackDeltas adds differences of width bits, each to be raised by least, to
// last. What follows them in src does not matter.
func unpackDeltas(out []int64, src []byte, width uint, least, last int64) int64 {
	if width == 0 {
		for i := range out {
			last += least
			out[i] = last
		}
		return last
	}
	mask := ^uint64(0) >> (64 - width)
	if width <= 8 { // eight are within eight bytes
		for len(out) >= 8 && len(src) >= 8 {
			w := binary.LittleEndian.Uint64(src)
			group := out[:8:8]
			for i := range group {
				last += least + int64(w&mask)
				w >>= width
				group[i] = last
			}
			out, src = out[8:], src[width:]
		}
	}
	var bit uint
	i := 0
	if width <= 57 { // with up to seven bits before it, within eight bytes
		for ; i < len(out) && int(bit/8)+8 <= len(src); i++ {
			last += least + int64(binary.LittleEndian.Uint64(src[bit/8:])>>(bit%8)&mask)
			bit += width
			out[i] = last
		}
	}
	for ; i < len(out); i++ {
		at, shift := int(bit/8), bit%8
		w := load64(src, at) >> shift
		if shift+width > 64 {
			w |= uint64(src[at+8]) << (64 - shift)
		}
		last += least + int64(w&mask)
		bit += width
		out[i] = last
	}
	return last
}

// lengths reads n lengths that add up to at most limit bytes.
func lengths(scratch []int64, src []byte, n int, limit uint64) (sizes []int64, rest []byte, sum uint64, err error) {
	sizes, rest, err = deltaInts(scratch[:0], src, n, true)
	if err != nil {
		return sizes, nil, 0, err
	}
	for _, s := range sizes {
		if sum += uint64(s); s < 0 || sum > limit {
			return sizes, nil, 0, fmt.Errorf("%w: lengths of %d byte strings exceed %d bytes", errDelta, n, limit)
		}
	}
	return sizes, rest, sum, nil
}

// deltaLength appends n strings of encoding DELTA_LENGTH_BYTE_ARRAY.
func deltaLength(dst *ByteArrays, scratch *[]int64, src []byte, n int) error {
	sizes, rest, sum, err := lengths(*scratch, src, n, uint64(len(src)))
	*scratch = sizes
	if err != nil {
		return err
	}
	if sum != uint64(len(rest)) {
		return fmt.Errorf("%w: %d byte strings of %d bytes in %d", errDelta, n, sum, len(rest))
	}
	if err := dst.reserve(n, sum); err != nil {
		return err
	}
	at := uint32(len(dst.Data))
	dst.Data = append(dst.Data, rest...)
	for _, s := range sizes {
		at += uint32(s)
		dst.Offsets = append(dst.Offsets, at)
	}
	return nil
}

// deltaStrings appends n strings of encoding DELTA_BYTE_ARRAY: each begins as
// the one before it. They may be far longer than src, so limit bounds them.
func deltaStrings(dst *ByteArrays, scratch *[]int64, src []byte, n int, limit uint64) error {
	prefixes, rest, shared, err := lengths(*scratch, src, n, limit)
	*scratch = prefixes
	if err != nil {
		return err
	}
	suffixes, rest, sum, err := lengths(nil, rest, n, uint64(len(rest)))
	if err != nil {
		return err
	}
	if sum != uint64(len(rest)) || shared+sum > limit {
		return fmt.Errorf("%w: %d byte strings end in %d of %d bytes, after %d", errDelta, n, sum, len(rest), shared)
	}
	if err := dst.reserve(n, shared+sum); err != nil {
		return err
	}
	from, size := len(dst.Data), int64(0) // of the string before
	for i, suffix := range suffixes {
		if prefixes[i] > size {
			return fmt.Errorf("%w: %d bytes of a byte string of %d", errDelta, prefixes[i], size)
		}
		at := len(dst.Data)
		dst.Data = append(dst.Data, dst.Data[from:from+int(prefixes[i])]...)
		dst.append(rest[:suffix])
		rest = rest[suffix:]
		from, size = at, prefixes[i]+suffix
	}
	return nil
}
