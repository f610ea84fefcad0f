package receiver

import (
	"math/bits"
	"sync"
)

// pool keeps buffers for reuse, up to a number of bytes. Sizes are powers of
// two; what is larger than a quarter of the bound is made to measure and not
// kept, so that one giant request cannot crowd out the buffers of all the usual
// ones. Buffers of smallestMapped and more are no part of Go's heap: some of
// them can be most of our memory, and what is not kept must be gone before the
// next one is made, not when the garbage collector comes to it.
type pool struct {
	maxBytes int
	mu       sync.Mutex
	bytes    int
	classes  [bits.UintSize][][]byte // by power of two
}

const (
	smallestBuffer = 4 << 10
	smallestMapped = 64 << 10
)

// size returns the capacity that get gives for n bytes.
func (p *pool) size(n int) int {
	if n > p.maxBytes/4 {
		return n
	}
	return 1 << class(n)
}

func class(n int) int { return bits.Len(uint(max(n, smallestBuffer) - 1)) }

// get returns an empty buffer of capacity size(n). Its bytes are not cleared.
func (p *pool) get(n int) []byte {
	size := p.size(n)
	if size <= p.maxBytes/4 {
		p.mu.Lock()
		free := &p.classes[class(n)]
		if last := len(*free) - 1; last >= 0 {
			b := (*free)[last]
			(*free)[last] = nil
			*free = (*free)[:last]
			p.bytes -= size
			p.mu.Unlock()
			return b
		}
		p.mu.Unlock()
	}
	if size >= smallestMapped {
		return mapped(size)
	}
	return make([]byte, 0, size)
}

// put takes back a buffer that get gave.
func (p *pool) put(b []byte) {
	size := cap(b)
	if size <= p.maxBytes/4 && p.keep(b) {
		return
	}
	if size >= smallestMapped {
		unmap(b)
	}
}

func (p *pool) keep(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes+cap(b) > p.maxBytes {
		return false
	}
	p.bytes += cap(b)
	free := &p.classes[class(cap(b))]
	*free = append(*free, b[:0])
	return true
}
