//go:build unix

package block

import "golang.org/x/sys/unix"

// newArena returns memory of size bytes that is not the collector's, and how to
// give it back. It takes room as it is written to, in large pages where the
// system has them: for a small block, page faults of 4 KiB cost more than the
// sorting.
func newArena(size int) (memory []byte, free func()) {
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, size), func() {}
	}
	adviseLargePages(m)
	return m, func() { _ = unix.Munmap(m) } // m is what Mmap returned, so it cannot fail
}
