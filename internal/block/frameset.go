package block

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// frameSet tells which spans of a trace are copies of earlier ones: equal on the
// wire, or equal in the compact form, with the same resource and scope.
type frameSet struct {
	seed  maphash.Seed
	slots []int32 // frame + 1; a power of two, at most half taken
	all   []framed
	wire  [2][]byte
}

// framed is a span: with what it refers to, and alone.
type framed struct {
	hash        uint64
	frame, span []byte
}

// mostAlike bounds how many spans of one hash a span is compared with: hashes of
// compact spans are those of digests, which somebody could make equal. A copy
// beyond that stays.
const mostAlike = 16

// reset begins a trace of n frames.
func (s *frameSet) reset(n int) {
	size := minSlots
	for size < 2*n {
		size *= 2
	}
	if size > cap(s.slots) {
		s.slots = make([]int32, size)
	}
	s.slots = s.slots[:size]
	clear(s.slots)
	s.all = s.all[:0]
}

// add returns the place of an equal frame that is there already, or -1.
func (s *frameSet) add(c *compactor, frame, span []byte) (int, error) {
	f := framed{frame: frame, span: span}
	if compact(span) {
		f.hash = binary.LittleEndian.Uint64(span[compactHash:])
	} else {
		f.hash = maphash.Bytes(s.seed, frame)
	}
	mask := len(s.slots) - 1
	i := int(f.hash) & mask
	for alike := 0; s.slots[i] != 0; i = (i + 1) & mask {
		o := &s.all[s.slots[i]-1]
		if o.hash != f.hash || alike == mostAlike {
			continue
		}
		if equal, err := s.equal(c, o, &f); err != nil || equal {
			return int(s.slots[i] - 1), err
		}
		alike++
	}
	s.all = append(s.all, f)
	s.slots[i] = int32(len(s.all))
	return -1, nil
}

// equal compares two frames of one hash. The same text may be a number in one and
// written out in the other.
func (s *frameSet) equal(c *compactor, a, b *framed) (bool, error) {
	if bytes.Equal(a.frame, b.frame) {
		return true, nil
	}
	ra, rb := a.frame[:len(a.frame)-len(a.span)], b.frame[:len(b.frame)-len(b.span)]
	if !compact(a.span) || !compact(b.span) || !bytes.Equal(ra, rb) {
		return false, nil
	}
	var trace [16]byte
	for i, f := range []*framed{a, b} {
		var err error
		if s.wire[i], err = c.appendWire(s.wire[i][:0], &trace, f.span); err != nil {
			return false, err
		}
	}
	return bytes.Equal(s.wire[0], s.wire[1]), nil
}
