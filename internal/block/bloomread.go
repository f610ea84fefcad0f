package block

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
)

const (
	// bytes: number of bits, of hashes, and of bits again, big-endian, and then the words
	bloomHeader  = 24
	maxHashes    = 64 // of a bloom; Tempo's have 7
	maxBloomBits = 64 * 8 << 20
)

// Blooms are those of a block, which need not be open. What their headers say is read
// once. It may be used by several at a time.
type Blooms struct {
	src    Source
	shards int

	mu    sync.Mutex
	known map[int]bloomFile
}

// NewBlooms are those of a block. Shards is how many blooms its meta.json names.
func NewBlooms(src Source, shards int) *Blooms {
	return &Blooms{src: src, shards: shards, known: map[int]bloomFile{}}
}

// MayHave says whether the trace can be in the block: false is certain. It reads
// some bytes of one shard.
func (b *Blooms) MayHave(ctx context.Context, id [16]byte) (bool, error) {
	if b.shards < 1 || b.shards > maxBloomShards {
		return false, fmt.Errorf("%w: %s names %d blooms", ErrDamaged, MetaName, b.shards)
	}
	shard := bloomShardOf(id[:], b.shards)
	f, err := b.header(ctx, shard)
	if err != nil {
		return false, err
	}
	h := bloomHashes(&id)
	for i := range f.hashes {
		bit := bloomPlace(&h, i) % f.bits
		var octet [1]byte
		if err := readExactly(ctx, b.src, BloomName(shard), octet[:], bloomHeader+int64(bloomByte(bit))); err != nil {
			return false, err
		}
		if octet[0]>>(bit%8)&1 == 0 {
			return false, nil
		}
	}
	return true, nil
}

// header is what the header of a shard says.
func (b *Blooms) header(ctx context.Context, shard int) (bloomFile, error) {
	b.mu.Lock()
	f, known := b.known[shard]
	b.mu.Unlock()
	if known {
		return f, nil
	}
	name := BloomName(shard)
	size, err := b.src.Size(ctx, name)
	if err != nil {
		return bloomFile{}, err
	}
	var header [bloomHeader]byte
	if size < bloomHeader {
		return bloomFile{}, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, name, size)
	}
	if err := readExactly(ctx, b.src, name, header[:], 0); err != nil {
		return bloomFile{}, err
	}
	if f, err = parseBloom(name, header[:], size); err != nil {
		return bloomFile{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[shard] = f
	return f, nil
}

// bloomFile is a shard: what its header says, and its words if they were read.
type bloomFile struct {
	bits   uint64
	hashes uint64
	words  []byte
}

func parseBloom(name string, header []byte, size int64) (bloomFile, error) {
	bits, hashes := binary.BigEndian.Uint64(header), binary.BigEndian.Uint64(header[8:])
	words := uint64(size-bloomHeader) / 8
	if bits == 0 || bits > maxBloomBits || bits > words*64 || hashes == 0 || hashes > maxHashes || bits != binary.BigEndian.Uint64(header[16:]) {
		return bloomFile{}, fmt.Errorf("%w: %s has %d bits and %d hashes in %d bytes", ErrDamaged, name, bits, hashes, size)
	}
	return bloomFile{bits: bits, hashes: hashes}, nil
}

// has says whether a trace can be in the shard. The words must have been read.
func (f *bloomFile) has(id *[16]byte) bool {
	h := bloomHashes(id)
	for i := range f.hashes {
		bit := bloomPlace(&h, i) % f.bits
		if f.words[bloomByte(bit)]>>(bit%8)&1 == 0 {
			return false
		}
	}
	return true
}

// readBloom reads a whole shard.
func readBloom(ctx context.Context, src Source, shard int) (bloomFile, error) {
	name := BloomName(shard)
	data, err := readFile(ctx, src, name, maxBloomBits/8+bloomHeader)
	if err != nil {
		return bloomFile{}, err
	}
	if len(data) < bloomHeader {
		return bloomFile{}, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, name, len(data))
	}
	f, err := parseBloom(name, data, int64(len(data)))
	f.words = data[bloomHeader:]
	return f, err
}
