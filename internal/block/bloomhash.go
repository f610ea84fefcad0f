package block

import (
	"encoding/binary"
	"math/bits"
)

// bloomHashes are the four numbers from which the places of a trace in a bloom
// filter are made: MurmurHash3 (x64, 128 bits) of its id, and of the id with a
// byte of 1 behind it. It is written out for 16 bytes, since the library
// allocates for each trace, which took a quarter of a proof.
func bloomHashes(id *[16]byte) [4]uint64 {
	const c1, c2 = 0x87c37b91114253d5, 0x4cf5ad432745937f
	k1, k2 := binary.LittleEndian.Uint64(id[:8]), binary.LittleEndian.Uint64(id[8:])
	h1 := bits.RotateLeft64(k1*c1, 31) * c2
	h1 = bits.RotateLeft64(h1, 27)*5 + 0x52dce729
	h2 := bits.RotateLeft64(k2*c2, 33) * c1
	h2 = (bits.RotateLeft64(h2, 31)+h1)*5 + 0x38495ab5
	one := uint64(c1) // the byte behind
	a, b := murmurEnd(h1, h2, 16)
	c, d := murmurEnd(h1^bits.RotateLeft64(one, 31)*c2, h2, 17)
	return [4]uint64{a, b, c, d}
}

// murmurEnd mixes the two halves of a hash of n bytes.
func murmurEnd(h1, h2, n uint64) (uint64, uint64) {
	h1 ^= n
	h2 ^= n
	h1 += h2
	h2 += h1
	h1, h2 = murmurMix(h1), murmurMix(h2)
	h1 += h2
	return h1, h2 + h1
}

func murmurMix(k uint64) uint64 {
	k = (k ^ k>>33) * 0xff51afd7ed558ccd
	k = (k ^ k>>33) * 0xc4ceb9fe1a85ec53
	return k ^ k>>33
}

// bloomPlace is the ith place of a trace, in a filter without end.
func bloomPlace(h *[4]uint64, i uint64) uint64 {
	return h[i%2] + i*h[2+(i+i%2)%4/2]
}
