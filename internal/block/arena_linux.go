package block

import "golang.org/x/sys/unix"

// adviseLargePages asks for large pages. A kernel without them refuses, and
// that is all right.
func adviseLargePages(m []byte) { _ = unix.Madvise(m, unix.MADV_HUGEPAGE) }
