package block

import (
	"runtime"
	"unsafe"
)

// slab is memory for the buffers of columns, in large pages where the system has
// them: see newArena. What was taken is given back all at once, when release is
// called or nothing refers to the slab any more. So what has a buffer of it refers to
// it too. A nil slab takes memory as make does.
type slab struct {
	rest   []byte // of the arena that is in use
	arenas *arenas
}

// arenas are those of a slab.
type arenas struct {
	frees []func()
	size  int // bytes
}

const (
	slabBytes = 4 << 20
	largePage = 2 << 20
)

func newSlab() *slab {
	s := &slab{arenas: &arenas{}}
	runtime.AddCleanup(s, (*arenas).release, s.arenas)
	return s
}

// held is how many bytes it has, in use or not.
func (s *slab) held() int { return s.arenas.size }

// release gives all memory back. Nothing that was taken may be used after.
func (a *arenas) release() {
	for _, free := range a.frees {
		free()
	}
	*a = arenas{}
}

// take returns n bytes that are zero.
func (s *slab) take(n int) []byte {
	n = (n + 63) &^ 63
	if n > slabBytes/4 {
		return s.arenas.add(n)
	}
	if n > len(s.rest) {
		s.rest = s.arenas.add(slabBytes)
	}
	b := s.rest[:n:n]
	s.rest = s.rest[n:]
	return b
}

// add gets an arena of n bytes.
func (a *arenas) add(n int) []byte {
	memory, free := newArena(n)
	a.frees = append(a.frees, free)
	a.size += n
	return memory
}

// slabOf returns an empty slice with room for n values, which must not have pointers.
func slabOf[T any](s *slab, n int) []T {
	if s == nil {
		return make([]T, 0, n)
	}
	var v T
	return sliceOf[T](s.take(n * int(unsafe.Sizeof(v))))
}

// sliceOf returns memory as an empty slice of values, which must not have pointers.
// It has to begin at a multiple of eight bytes.
func sliceOf[T any](memory []byte) []T {
	var v T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(memory))), len(memory)/int(unsafe.Sizeof(v)))[:0]
}
