package durable

import (
	"errors"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// maxVectors is IOV_MAX, the number of buffers one pwritev takes.
const maxVectors = 1024

func (f osFile) WritevAt(bufs [][]byte, off int64) error {
	for len(bufs) > 0 {
		n, err := unix.Pwritev(int(f.Fd()), bufs[:min(len(bufs), maxVectors)], off)
		runtime.KeepAlive(f.File)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "pwritev", Path: f.Name(), Err: err}
		}
		off += int64(n)
		rest := skip(bufs, n)
		if n == 0 && len(rest) == len(bufs) {
			return &os.PathError{Op: "pwritev", Path: f.Name(), Err: io.ErrShortWrite}
		}
		bufs = rest
	}
	return nil
}

// skip is what remains of bufs after their first n bytes, without empty ones
// in front.
func skip(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}

func (f osFile) Allocate(size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		runtime.KeepAlive(f.File)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return f.Truncate(size)
		default:
			return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
		}
	}
}

func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		runtime.KeepAlive(f.File)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

func (f osFile) Forget(off, n int64) error {
	page := int64(os.Getpagesize())
	from := off / page * page // the kernel leaves pages of which a part is to stay
	to := (off + n + page - 1) / page * page
	err := unix.Fadvise(int(f.Fd()), from, to-from, unix.FADV_DONTNEED)
	runtime.KeepAlive(f.File)
	return err
}

func (f osFile) Clone(src *os.File) error {
	err := unix.IoctlFileClone(int(f.Fd()), int(src.Fd()))
	runtime.KeepAlive(f.File)
	runtime.KeepAlive(src)
	if err != nil {
		return &os.PathError{Op: "clone", Path: f.Name(), Err: err}
	}
	return nil
}
