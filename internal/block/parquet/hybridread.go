package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errRuns says that a section of runs is not one.
var errRuns = errors.New("runs of a page are damaged")

// The RLE/bit-packed hybrid: runs of one value, and groups of eight packed
// values, lowest bit first.
//
// run reads the header of a run and returns what follows it. A run of one value
// has no packed bytes. What it declares beyond the n values that are missing
// is padding, allowed for packed values alone.
func run(src []byte, width uint, n int) (count int, value uint32, packed, rest []byte, err error) {
	header, k := binary.Uvarint(src)
	if k <= 0 {
		return 0, 0, nil, nil, fmt.Errorf("%w: no header of a run in %d bytes", errRuns, len(src))
	}
	src = src[k:]
	if header&1 == 0 {
		size := int(width+7) / 8
		if header>>1 > uint64(n) || header == 0 || size > len(src) {
			return 0, 0, nil, nil, fmt.Errorf("%w: a run of %d values in %d bytes, where %d are missing", errRuns, header>>1, len(src), n)
		}
		for i := range size {
			value |= uint32(src[i]) << (8 * i)
		}
		if width < 32 && value>>width != 0 {
			return 0, 0, nil, nil, fmt.Errorf("%w: value %d of %d bits", errRuns, value, width)
		}
		return int(header >> 1), value, nil, src[size:], nil
	}
	groups := header >> 1
	// A writer may cut the last group short.
	have := min(uint64(n+7)/8, groups)
	if groups == 0 || groups > 1<<31 {
		return 0, 0, nil, nil, fmt.Errorf("%w: a run of %d groups", errRuns, groups)
	}
	count = int(min(8*have, uint64(n)))
	if uint64(len(src)) < (uint64(count)*uint64(width)+7)/8 {
		return 0, 0, nil, nil, fmt.Errorf("%w: a run of %d groups of %d bits in %d bytes", errRuns, groups, width, len(src))
	}
	end := min(groups*uint64(width), uint64(len(src)))
	return count, 0, src[:end], src[end:], nil
}

// readLevels appends n levels of at most maxLevel, and fails if src has fewer.
func readLevels(dst []uint8, src []byte, maxLevel uint8, n int) ([]uint8, error) {
	width := uint(bitsOf(uint32(maxLevel)))
	for n > 0 {
		count, value, packed, rest, err := run(src, width, n)
		if err != nil {
			return dst, err
		}
		at := len(dst)
		dst = grow(dst, count)
		if packed == nil {
			if value > uint32(maxLevel) {
				return dst, fmt.Errorf("%w: level %d above %d", errRuns, value, maxLevel)
			}
			fill(dst[at:], uint8(value))
		} else if !unpackLevels(dst[at:], packed, width, maxLevel) {
			return dst, fmt.Errorf("%w: a level above %d", errRuns, maxLevel)
		}
		n -= count
		src = rest
	}
	return dst, nil
}

// unpackLevels fills dst with values of width bits, 1 to 7, and says whether all
// are at most maxLevel. Eight at a time: the bits of the halves are moved apart to
// four bytes each, those of the quarters to two, and so on.
func unpackLevels(dst []uint8, src []byte, width uint, maxLevel uint8) bool {
	const each = 0x0101010101010101 // byte of eight
	four := uint64(1)<<(4*width) - 1
	two := (uint64(1)<<(2*width) - 1) * 0x0000000100000001
	one := (uint64(1)<<width - 1) * 0x0001000100010001
	room := (0x7f - uint64(maxLevel)) * each // what a level has up to 0x7f
	over := uint64(0)
	for len(dst) >= 8 && len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		w = w&four | w>>(4*width)&four<<32
		w = w&two | w>>(2*width)&two<<16
		w = w&one | w>>width&one<<8
		over |= w + room
		binary.LittleEndian.PutUint64(dst, w)
		dst, src = dst[8:], src[width:]
	}
	mask := uint64(1)<<width - 1
	var bit uint
	for i := range dst {
		w := uint64(src[bit/8])
		if bit%8+width > 8 {
			w |= uint64(src[bit/8+1]) << 8
		}
		v := w >> (bit % 8) & mask
		bit += width
		over |= v + room
		dst[i] = uint8(v)
	}
	return over&(0x80*each) == 0
}

// readIDs appends n values of width bits, each below limit: the places of values
// in a dictionary.
func readIDs(dst []uint32, src []byte, width uint, limit, n int) ([]uint32, error) {
	if width > 32 {
		return dst, fmt.Errorf("%w: values of %d bits", errRuns, width)
	}
	for n > 0 {
		count, value, packed, rest, err := run(src, width, n)
		if err != nil {
			return dst, err
		}
		at := len(dst)
		dst = grow(dst, count)
		high := value
		if packed == nil {
			fill(dst[at:], value)
		} else {
			high = unpackIDs(dst[at:], packed, width)
		}
		if uint64(high) >= uint64(limit) {
			return dst, fmt.Errorf("%w: value %d of a dictionary of %d", errRuns, high, limit)
		}
		n -= count
		src = rest
	}
	return dst, nil
}

func unpackIDs(dst []uint32, src []byte, width uint) (high uint32) {
	mask := uint64(1)<<width - 1
	var bit uint
	i := 0
	// Eight bytes hold a value of 32 bits wherever it begins.
	for ; i < len(dst) && int(bit/8)+8 <= len(src); i++ {
		v := uint32(binary.LittleEndian.Uint64(src[bit/8:]) >> (bit % 8) & mask)
		bit += width
		high = max(high, v)
		dst[i] = v
	}
	for ; i < len(dst); i++ {
		v := uint32(load64(src, int(bit/8)) >> (bit % 8) & mask)
		bit += width
		high = max(high, v)
		dst[i] = v
	}
	return high
}

// load64 is up to eight bytes at an offset, with zeros after the end.
func load64(src []byte, at int) uint64 {
	if at+8 <= len(src) {
		return binary.LittleEndian.Uint64(src[at:])
	}
	var w uint64
	for i := 0; i < 8 && at+i < len(src); i++ {
		w |= uint64(src[at+i]) << (8 * i)
	}
	return w
}

// bitsOf is how many bits a value takes.
func bitsOf(v uint32) int {
	n := 0
	for ; v != 0; v >>= 1 {
		n++
	}
	return n
}

func fill[T any](dst []T, v T) {
	for i := range dst {
		dst[i] = v
	}
}
