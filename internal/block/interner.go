package block

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// interner keeps the distinct resources or scopes of a block, up to a bound.
// Spans refer to them by their place.
type interner struct {
	seed    maphash.Seed
	byHash  map[uint64]uint32
	origins []origin
	bytes   int
}

// Bounds of an interner. What does not fit is written beside each of its spans.
const (
	maxOrigins     = 1 << 14
	maxOriginBytes = 4 << 20
)

// inline is the reference of a origin that follows the reference itself.
const inline = 1<<32 - 1

func newInterner() *interner {
	return &interner{seed: maphash.MakeSeed(), byHash: make(map[uint64]uint32)}
}

// refer returns the reference of a message, or inline.
func (t *interner) refer(raw []byte) uint32 {
	hash := maphash.Bytes(t.seed, raw)
	if ref, ok := t.byHash[hash]; ok {
		if bytes.Equal(t.origins[ref].raw, raw) {
			return ref
		}
		return inline
	}
	if len(t.origins) >= maxOrigins || t.bytes+len(raw) > maxOriginBytes {
		return inline
	}
	ref := uint32(len(t.origins))
	t.origins = append(t.origins, origin{raw: slices.Clone(raw)})
	t.byHash[hash] = ref
	t.bytes += len(raw)
	return ref
}

// appendReference appends a reference, and what it refers to if that is inline.
func appendReference(dst []byte, ref uint32, raw []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, ref)
	if ref == inline {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(raw)))
		dst = append(dst, raw...)
	}
	return dst
}

// resolve reads a reference at the beginning of a frame. raw is nil unless it
// is inline.
func resolve(frame []byte) (ref uint32, raw, rest []byte) {
	ref = binary.LittleEndian.Uint32(frame)
	rest = frame[4:]
	if ref == inline {
		n := binary.LittleEndian.Uint32(rest)
		return ref, rest[4 : 4+n : 4+n], rest[4+n:]
	}
	return ref, nil, rest
}
