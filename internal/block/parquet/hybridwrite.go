package parquet

import (
	"encoding/binary"
	"math/bits"
)

// LevelWidth is the number of bits of a level, given the highest one.
func LevelWidth(highest uint8) int { return bits.Len8(highest) }

// AppendHybrid appends values of width bits as runs, of one value or of packed
// bits, whichever is shorter. It is how levels and dictionary ids are written.
// All values have to fit.
func AppendHybrid[T uint8 | uint32](dst []byte, values []T, width int) []byte {
	packed := 0 // where a run of packed bits begins, if it is before i
	for i := 0; i < len(values); {
		n := equal(values[i:])
		if n >= 8 {
			dst = appendPacked(dst, values[packed:i], width)
			dst = appendRun(dst, values[i], n, width)
			i += n
			packed = i
			continue
		}
		i += min(8, len(values)-i)
	}
	return appendPacked(dst, values[packed:], width)
}

// AppendRun appends n times the same value as AppendHybrid does.
func AppendRun(dst []byte, value uint8, n, width int) []byte {
	if n == 0 {
		return dst
	}
	return appendRun(dst, value, n, width)
}

// equal is how many values at the beginning are equal.
func equal[T uint8 | uint32](values []T) int {
	first := values[0]
	for i, v := range values {
		if v != first {
			return i
		}
	}
	return len(values)
}

func appendRun[T uint8 | uint32](dst []byte, value T, n, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1)
	for v, w := uint32(value), width; w > 0; w -= 8 {
		dst = append(dst, byte(v))
		v >>= 8
	}
	return dst
}

// appendPacked appends values in groups of eight, the last one filled up.
func appendPacked[T uint8 | uint32](dst []byte, values []T, width int) []byte {
	if len(values) == 0 {
		return dst
	}
	groups := (len(values) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	var acc uint64
	var have uint
	for _, v := range values {
		acc |= uint64(v) << have
		if have += uint(width); have >= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(acc))
			acc >>= 32
			have -= 32
		}
	}
	have += uint(groups*8-len(values)) * uint(width)
	for ; have > 0; have -= min(have, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}
