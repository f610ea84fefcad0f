//go:build unix

package block

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// newArena returns zeros of size bytes that are not the collector's, and how to
// give them back. They take room as they are written to, in large pages where the
// system has them: for a small block, page faults of 4 KiB cost more than all the
// rest.
func newArena(size int) (memory []byte, free func()) {
	m, err := unix.Mmap(-1, 0, size+largePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, size), func() {}
	}
	// A large page has to begin at a multiple of its size. What is around the
	// arena is never written to, so it takes none.
	at := int(-uintptr(unsafe.Pointer(unsafe.SliceData(m))) & (largePage - 1))
	adviseLargePages(m[at:])
	// m is what Mmap returned, so it cannot fail
	return m[at : at+size : at+size], func() { _ = unix.Munmap(m) }
}
