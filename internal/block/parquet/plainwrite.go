package parquet

import "encoding/binary"

// AppendPlain64 appends integers, or the bits of doubles, of eight bytes.
func AppendPlain64(dst []byte, values []int64) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst
}

// AppendPlain32 appends integers of four bytes.
func AppendPlain32(dst []byte, values []int64) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	return dst
}

// AppendPlainBools appends bools as bits.
func AppendPlainBools(dst []byte, values []bool) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, (len(values)+7)/8)...)
	for i, v := range values {
		if v {
			dst[from+i/8] |= 1 << (i % 8)
		}
	}
	return dst
}

// AppendPlainBytes appends a byte string with its length.
func AppendPlainBytes(dst, value []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}
