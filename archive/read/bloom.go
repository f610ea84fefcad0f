package read

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/grafana/tempo/tempodb/encoding/common"
	"github.com/willf/bloom"
)

const (
	maxHashes   = 64 // of a Bloom filter; Tempo's have 7
	bloomHeader = 24 // bytes: number of bits, of hashes, and of bits again, big-endian, and then the words
)

// A probe looks one trace id up in Bloom filters. Tempo's filters are 100 KiB whatever is in them, and most answers
// need one of their bits, so it reads single words instead of decoding the filter.
type probe struct {
	id   common.ID
	bits []uint64
}

func newProbe(id common.ID) *probe { return &probe{id: id, bits: bloom.Locations(id, maxHashes)} }

// mayHold says whether the block can hold the trace: no is certain.
func (p *probe) mayHold(ctx context.Context, r *Reader, tenant string, b *block) (bool, error) {
	count, err := r.bloomCount(ctx, tenant, b)
	if err != nil {
		return false, err
	}
	name := common.BloomName(common.ShardKeyForTraceID(p.id, count))
	o, err := r.store.Open(ctx, path.Join(tenant, b.id.String(), name))
	if err != nil {
		return false, err
	}
	defer o.Close()
	return p.test(o, o.Size(), name)
}

func (p *probe) test(o io.ReaderAt, size int64, name string) (bool, error) {
	var header [bloomHeader]byte
	if err := readFull(o, header[:], 0); err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	bits, hashes := binary.BigEndian.Uint64(header[:]), binary.BigEndian.Uint64(header[8:])
	words := uint64(size-bloomHeader) / 8
	if bits == 0 || hashes == 0 || hashes > maxHashes || bits != binary.BigEndian.Uint64(header[16:]) || bits > words*64 {
		return false, fmt.Errorf("%s is damaged: %d bits and %d hashes in %d bytes", name, bits, hashes, size)
	}
	for _, location := range p.bits[:hashes] {
		bit := location % bits
		var word [8]byte
		if err := readFull(o, word[:], bloomHeader+int64(bit/64)*8); err != nil {
			return false, fmt.Errorf("read %s: %w", name, err)
		}
		if binary.BigEndian.Uint64(word[:])&(1<<(bit%64)) == 0 {
			return false, nil
		}
	}
	return true, nil
}

func readFull(o io.ReaderAt, buf []byte, offset int64) error {
	n, err := o.ReadAt(buf, offset)
	switch {
	case n == len(buf):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
