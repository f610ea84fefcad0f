package receiver

import (
	"math/bits"
	"sync"
)

// pool keeps buffers for reuse, up to a number of bytes. Sizes are powers of
// two; what is larger than a quarter of the bound is made to measure and not
// kept, so that one giant request cannot crowd out the buffers of all the usual
// ones. Buffers of smallestMapped and more are not part of Go's heap: some of
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
// No more than so many bytes are kept for others afterwards.
func (p *pool) get(n, keep int) []byte {
	size := p.size(n)
	b := p.reuse(n, size, keep)
	switch {
	case b != nil:
		return b
	case size >= smallestMapped:
		return mapped(size)
	}
	return make([]byte, 0, size)
}

func (p *pool) reuse(n, size, keep int) (b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if size <= p.maxBytes/4 {
		b = p.pop(class(n))
	}
	for c := len(p.classes) - 1; c >= 0 && p.bytes > keep; {
		if idle := p.pop(c); idle == nil {
			c--
		} else if cap(idle) >= smallestMapped {
			unmap(idle)
		}
	}
	return b
}

// pop takes the last buffer of a class, nil if there is none.
func (p *pool) pop(class int) []byte {
	free := &p.classes[class]
	last := len(*free) - 1
	if last < 0 {
		return nil
	}
	b := (*free)[last]
	(*free)[last] = nil
	*free = (*free)[:last]
	p.bytes -= cap(b)
	return b
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

// abandon is put for a buffer that somebody may still use.
func (p *pool) abandon(b []byte) {
	if cap(b) >= smallestMapped {
		hollow(b)
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
