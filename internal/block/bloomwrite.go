package block

import (
	"encoding/binary"
	"math"
)

// The shape of bloom filters in Tempo's blocks.
const (
	bloomFalse     = 0.01          // share of false answers
	bloomShardBits = 100 << 10 * 8 // of each shard, whatever is in it
	maxBloomShards = 1000
)

// blooms are the filters of a block, which Tempo asks whether a trace may be
// in it: the bytes of their files.
type blooms struct {
	hashes uint64
	shards [][]byte
}

// newBlooms makes filters for so many traces.
func newBlooms(traces int) blooms {
	n := float64(max(1, traces))
	bits := math.Ceil(-n * math.Log(bloomFalse) / (math.Ln2 * math.Ln2))
	shards := min(max(1, int(math.Ceil(bits/bloomShardBits))), maxBloomShards)
	b := blooms{hashes: uint64(math.Ceil(math.Ln2 * bits / n)), shards: make([][]byte, shards)}
	for i := range b.shards {
		s := binary.BigEndian.AppendUint64(make([]byte, 0, bloomHeader+bloomShardBits/8), bloomShardBits)
		s = binary.BigEndian.AppendUint64(s, b.hashes)
		s = binary.BigEndian.AppendUint64(s, bloomShardBits)
		b.shards[i] = s[:cap(s)]
	}
	return b
}

func (b *blooms) add(id *[16]byte) {
	words := b.shards[bloomShardOf(id[:], len(b.shards))][bloomHeader:]
	h := bloomHashes(id)
	for i := range b.hashes {
		bit := bloomPlace(&h, i) % bloomShardBits
		words[bloomByte(bit)] |= 1 << (bit % 8)
	}
}

// bloomByte is which byte has a bit, of words of 64 bits, big-endian.
func bloomByte(bit uint64) uint64 { return bit/8 ^ 7 }

// bloomShardOf is Tempo's choice of the filter that holds a trace: FNV-1 of 32
// bits.
func bloomShardOf(id []byte, shards int) int {
	h := uint32(2166136261)
	for _, b := range id {
		h = h*16777619 ^ uint32(b)
	}
	return int(h % uint32(shards))
}
