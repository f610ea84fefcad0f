package parquet

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"
)

// smallPage is the most bytes that are kept as one literal: the levels of a page
// of nulls, for instance. The encoder would gain little on them, and there are
// some sixty such pages for each that has something in it.
const smallPage = 48

// packSnappy makes a Snappy block of src in dst, which has s2.MaxEncodedLen bytes
// at least. Snappy is chosen for what it costs: in blocks it takes a third of the
// time of zstd's fastest level to write, and a sixth to read, for a fifth more bytes.
func packSnappy(dst, src []byte) []byte {
	if len(src) > smallPage {
		return s2.EncodeSnappy(dst, src)
	}
	dst = binary.AppendUvarint(dst[:0], uint64(len(src)))
	if len(src) == 0 {
		return dst
	}
	return append(append(dst, byte(len(src)-1)<<2), src...) // a literal of 1 to 60 bytes
}
