package receiver

import "golang.org/x/sys/unix"

// mapped returns an empty buffer of capacity n that is not part of Go's heap.
func mapped(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil { // a limit of the process, on address space or on mappings
		return make([]byte, 0, n)
	}
	return b[:0]
}

// unmap ends a buffer from mapped. Whoever still reads it crashes.
func unmap(b []byte) {
	_ = unix.Munmap(b[:cap(b)]) // fails for one that make made
}

// hollow gives back the memory of a buffer from mapped and keeps its addresses:
// whoever still reads it reads zeros.
func hollow(b []byte) {
	// fails for one that make made, unless it is whole pages: zeros then, too
	_ = unix.Madvise(b[:cap(b)], unix.MADV_DONTNEED)
}
