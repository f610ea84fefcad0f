package parquet

import (
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/s2"
)

// smallPage is the most bytes that are kept as one literal: the levels of a page
// of nulls, for instance. The encoder would gain little on them, and there are
// some sixty such pages for each that has something in it.
const smallPage = 48

// appendSnappy appends a Snappy block of src. Snappy is chosen for what it costs:
// in blocks it takes a third of the time of zstd's fastest level to write, and a
// sixth to read, for a seventh more bytes.
func appendSnappy(dst, src []byte) []byte {
	if len(src) <= smallPage {
		return appendLiteral(dst, src)
	}
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(src)))
	at := len(dst)
	return dst[:at+len(s2.EncodeSnappy(dst[at:cap(dst)], src))]
}

// appendLiteral appends a Snappy block that says 1 to 60 bytes as they are, or
// none.
func appendLiteral(dst, src []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(src)))
	if len(src) == 0 {
		return dst
	}
	return append(append(dst, byte(len(src)-1)<<2), src...)
}
