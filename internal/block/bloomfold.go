package block

import (
	"encoding/binary"
	"math/bits"
)

// foldedBloom is a bloom in memory: bit i stands for all bits of the file that leave
// i when they are divided by the number of bits. Files have one size, whatever is in
// them. A trace that is not in this is not in the file.
type foldedBloom []uint64

// foldRoom is how many bits there are at least for one that is set, unless the file
// has fewer. At most a quarter is set then: with the seven hashes of Tempo's, one of
// 16,000 traces that are not there is looked for in the file.
const foldRoom = 4

// fold makes it of the words of a file, big-endian.
func (f *bloomFile) fold(words []byte) foldedBloom {
	set := 0
	for at := 0; at+8 <= len(words); at += 8 {
		set += bits.OnesCount64(binary.BigEndian.Uint64(words[at:]))
	}
	size := f.bits
	for size%128 == 0 && size/2 >= uint64(foldRoom*set) {
		size /= 2
	}
	out := make(foldedBloom, (size+63)/64)
	for at := range (f.bits + 63) / 64 {
		out[at%uint64(len(out))] |= binary.BigEndian.Uint64(words[8*at:])
	}
	return out
}

// bytes is the memory that it takes.
func (b foldedBloom) bytes() int64 { return 8 * int64(len(b)) }

// mayHave says whether the trace with these hashes can be in the file f: false is
// certain.
func (b foldedBloom) mayHave(f *bloomFile, h *[4]uint64) bool {
	for i := range f.hashes {
		bit := bloomPlace(h, i) % f.bits % uint64(64*len(b))
		if b[bit/64]>>(bit%64)&1 == 0 {
			return false
		}
	}
	return true
}
