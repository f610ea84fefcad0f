package block

import (
	"sync"
	"sync/atomic"
)

// BloomMemory is the memory that blooms of many blocks may take together. It may be
// used by several at a time.
type BloomMemory struct {
	left    atomic.Int64
	scratch sync.Pool // of *[]byte: for the bytes of one file
}

// NewBloomMemory is memory of n bytes.
func NewBloomMemory(n int64) *BloomMemory {
	m := &BloomMemory{}
	m.left.Store(n)
	return m
}

// Left is how many bytes are not taken.
func (m *BloomMemory) Left() int64 { return m.left.Load() }

// take takes n bytes, if as many are left.
func (m *BloomMemory) take(n int64) bool {
	if m.left.Add(-n) >= 0 {
		return true
	}
	m.left.Add(n)
	return false
}
