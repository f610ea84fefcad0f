package block

import (
	"bytes"
	"fmt"
	"hash/fnv"

	"github.com/willf/bloom"
)

// The shape of bloom filters in Tempo's blocks.
const (
	bloomFalse     = 0.01          // share of false answers
	bloomShardBits = 100 << 10 * 8 // of each shard, whatever is in it
	maxBloomShards = 1000
)

// blooms are the filters of a block, which Tempo asks whether a trace may be
// in it.
type blooms []*bloom.BloomFilter

// newBlooms makes filters for so many traces.
func newBlooms(traces int) blooms {
	bits, hashes := bloom.EstimateParameters(uint(max(1, traces)), bloomFalse)
	shards := min(max(1, (bits+bloomShardBits-1)/bloomShardBits), maxBloomShards)
	b := make(blooms, shards)
	for i := range b {
		b[i] = bloom.New(bloomShardBits, hashes)
	}
	return b
}

func (b blooms) add(id []byte) { b[bloomShardOf(id, len(b))].Add(id) }

// encode returns the bytes of a filter's file.
func (b blooms) encode(shard int) ([]byte, error) {
	var buf bytes.Buffer
	if _, err := b[shard].WriteTo(&buf); err != nil {
		return nil, fmt.Errorf("encode bloom filter %d: %w", shard, err)
	}
	return buf.Bytes(), nil
}

// bloomShardOf is Tempo's choice of the filter that holds a trace.
func bloomShardOf(id []byte, shards int) int {
	h := fnv.New32()
	_, _ = h.Write(id) // never fails
	return int(h.Sum32() % uint32(shards))
}
