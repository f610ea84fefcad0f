package parquet

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The shape of DELTA_BINARY_PACKED blocks, which is what most writers choose.
const (
	deltaBlock = 128
	deltaMini  = 32
)

// AppendDelta64 appends 64-bit integers in DELTA_BINARY_PACKED.
func AppendDelta64(dst []byte, values []int64) []byte { return appendDelta(dst, values, 64) }

// AppendDelta32 appends integers of 32 bits in DELTA_BINARY_PACKED: differences
// wrap at 32 bits, so that none takes more.
func AppendDelta32(dst []byte, values []int64) []byte { return appendDelta(dst, values, 32) }

func appendDelta(dst []byte, values []int64, width uint) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaBlock/deltaMini)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	if len(values) == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, values[0])
	last := values[0]
	var deltas [deltaBlock]int64
	unused := 64 - width
	for values = values[1:]; len(values) > 0; {
		n := min(len(values), deltaBlock)
		least := int64(math.MaxInt64)
		for i, v := range values[:n] {
			d := (v - last) << unused >> unused
			deltas[i] = d
			least = min(least, d)
			last = v
		}
		dst = appendDeltaBlock(dst, deltas[:n], least, 1<<width-1)
		values = values[n:]
	}
	return dst
}

func appendDeltaBlock(dst []byte, deltas []int64, least int64, mask uint64) []byte {
	dst = binary.AppendVarint(dst, least)
	widths := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for i := 0; i < len(deltas); i += deltaMini {
		var mini [deltaMini]uint64 // a part that is missing is zeros
		var all uint64
		for j, d := range deltas[i:min(i+deltaMini, len(deltas))] {
			mini[j] = uint64(d-least) & mask
			all |= mini[j]
		}
		width := bits.Len64(all)
		dst[widths+i/deltaMini] = byte(width)
		dst = packMini(dst, &mini, width)
	}
	return dst
}

// packMini appends 32 values of width bits.
func packMini(dst []byte, mini *[deltaMini]uint64, width int) []byte {
	var acc uint64
	var have int
	for _, v := range mini {
		acc |= v << have
		if have += width; have >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			have -= 64
			acc = v >> (width - have) // Go shifts by 64 to 0
		}
	}
	for ; have > 0; have -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// AppendDeltaLength appends byte strings in DELTA_LENGTH_BYTE_ARRAY: all
// lengths, then all bytes.
func AppendDeltaLength(dst []byte, lengths []int64, data []byte) []byte {
	return append(AppendDelta32(dst, lengths), data...)
}
