package block

import (
	"bytes"
	"hash/maphash"
)

// frameSet tells which frames of a trace are copies of earlier ones.
type frameSet struct {
	seed   maphash.Seed
	slots  []int32 // frame + 1; a power of two, at most half taken
	frames [][]byte
}

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
	s.frames = s.frames[:0]
}

// add returns the place of an equal frame that is there already, or -1.
func (s *frameSet) add(frame []byte) int {
	mask := len(s.slots) - 1
	i := int(maphash.Bytes(s.seed, frame)) & mask
	for ; s.slots[i] != 0; i = (i + 1) & mask {
		if bytes.Equal(s.frames[s.slots[i]-1], frame) {
			return int(s.slots[i] - 1)
		}
	}
	s.frames = append(s.frames, frame)
	s.slots[i] = int32(len(s.frames))
	return -1
}
