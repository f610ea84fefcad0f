package block

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

const (
	// bytes: number of bits, of hashes, and of bits again, big-endian, and then the words
	bloomHeader  = 24
	maxHashes    = 64 // of a bloom; Tempo's have 7
	maxBloomBits = 64 * 8 << 20
)

// Blooms are those of a block, which need not be open. What their headers say is read
// once, and a bloom that is asked again is read as a whole, if there is memory for
// it. It may be used by several at a time.
type Blooms struct {
	src    Source
	shards int
	memory *BloomMemory

	mu    sync.Mutex
	known map[int]*knownBloom
}

// knownBloom is a bloom of which the header was read.
type knownBloom struct {
	bloomFile
	folded foldedBloom // nil until it is read
	asked  bool        // so that it was read, or could not be
}

// NewBlooms are those of a block. Shards is how many blooms its meta.json names.
// Without memory they are read byte by byte. Release them.
func NewBlooms(src Source, shards int, memory *BloomMemory) *Blooms {
	return &Blooms{src: src, shards: shards, memory: memory, known: map[int]*knownBloom{}}
}

// Release gives the memory back. Nobody may ask meanwhile.
func (b *Blooms) Release() {
	for _, k := range b.known {
		if k.folded != nil {
			b.memory.left.Add(k.folded.bytes())
		}
	}
	b.known = map[int]*knownBloom{}
}

// MayHave says whether the trace can be in the block: false is certain. It reads
// some bytes of one shard, or nothing.
func (b *Blooms) MayHave(ctx context.Context, id [16]byte) (bool, error) {
	if b.shards < 1 || b.shards > maxBloomShards {
		return false, fmt.Errorf("%w: %s names %d blooms", ErrDamaged, MetaName, b.shards)
	}
	shard := bloomShardOf(id[:], b.shards)
	f, folded, err := b.shard(ctx, shard)
	if err != nil {
		return false, err
	}
	h := bloomHashes(&id)
	if folded != nil && !folded.mayHave(f, &h) {
		return false, nil
	}
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

// shard is what the header of a shard says, and the shard itself if it is in memory.
func (b *Blooms) shard(ctx context.Context, shard int) (*bloomFile, foldedBloom, error) {
	b.mu.Lock()
	k := b.known[shard]
	if k == nil {
		b.mu.Unlock()
		return b.header(ctx, shard)
	}
	folded, load := k.folded, !k.asked && b.memory != nil
	k.asked = true
	b.mu.Unlock()
	if load {
		folded = b.load(ctx, shard, &k.bloomFile)
		b.mu.Lock()
		k.folded = folded
		b.mu.Unlock()
	}
	return &k.bloomFile, folded, nil
}

// header reads the header of a shard.
func (b *Blooms) header(ctx context.Context, shard int) (*bloomFile, foldedBloom, error) {
	name := BloomName(shard)
	size, err := b.src.Size(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	var header [bloomHeader]byte
	if size < bloomHeader {
		return nil, nil, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, name, size)
	}
	if err := readExactly(ctx, b.src, name, header[:], 0); err != nil {
		return nil, nil, err
	}
	f, err := parseBloom(name, header[:], size)
	if err != nil {
		return nil, nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[shard] == nil {
		b.known[shard] = &knownBloom{bloomFile: f}
	}
	return &f, nil, nil
}

// load reads a shard into memory. It is nil where there is no room, and where it
// cannot be read: a byte of it that is needed may still be.
func (b *Blooms) load(ctx context.Context, shard int, f *bloomFile) foldedBloom {
	n := int64(f.bits+63) / 64 * 8
	if !b.memory.take(n) {
		return nil
	}
	scratch, ok := b.memory.scratch.Get().(*[]byte)
	if !ok {
		scratch = new([]byte)
	}
	defer b.memory.scratch.Put(scratch)
	*scratch = slices.Grow((*scratch)[:0], int(n))[:n]
	if err := readExactly(ctx, b.src, BloomName(shard), *scratch, bloomHeader); err != nil {
		b.memory.left.Add(n)
		return nil
	}
	folded := f.fold(*scratch)
	b.memory.left.Add(n - folded.bytes())
	return folded
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
