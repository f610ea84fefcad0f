package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"appliance/internal/durable"
)

// fill makes size bytes of r the content of f and hashes the very bytes it wrote.
// A Tempo that writes a block again does so in place, so a hash of a second
// reading of the source could be of other bytes.
//
// Bytes are shared where the filesystem can (FICLONE), else copied through
// memory: they pass it anyway to be hashed, so copy_file_range would save nothing.
func (d *dirStore) fill(ctx context.Context, f durable.File, r io.Reader, size int64) (Sum, error) {
	if d.clone(f, r, size) {
		got, err := f.Size()
		if err != nil {
			return Sum{}, err
		}
		if got != size {
			return Sum{}, wrongSize(got, size)
		}
		return d.transfer(ctx, size, func(b []byte, off int64) error {
			_, err := f.ReadAt(b, off)
			return noEOF(err)
		})
	}
	if size > bufferSize {
		// A full disk shows here, not after gigabytes.
		if err := f.Allocate(size); err != nil {
			return Sum{}, err
		}
	}
	sum, err := d.transfer(ctx, size, func(b []byte, off int64) error {
		if n, err := io.ReadFull(r, b); err != nil {
			return shortSource(err, off+int64(n), size)
		}
		return f.WritevAt([][]byte{b}, off)
	})
	if err != nil {
		return Sum{}, err
	}
	return sum, atEnd(r, size)
}

// clone shares the bytes of r with f, if r is a whole file of that size and the
// filesystem can.
func (d *dirStore) clone(f durable.File, r io.Reader, size int64) bool {
	to, ok := f.(durable.Cloner)
	from, isFile := r.(*os.File)
	if !ok || !isFile || size == 0 {
		return false
	}
	info, err := from.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return false
	}
	if at, err := from.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return false
	}
	return to.Clone(from) == nil
}

// transfer calls move for each buffer of size bytes in order, within the
// bandwidth limit, and hashes what it left there.
func (d *dirStore) transfer(ctx context.Context, size int64, move func(b []byte, off int64) error) (Sum, error) {
	h := newHashing()
	var err error
	for off := int64(0); off < size && err == nil; {
		b := h.buffer(min(size-off, bufferSize))
		if err = d.limit.wait(ctx, len(b)); err == nil {
			err = move(b, off)
		}
		off += int64(len(b))
		h.add(b)
	}
	return h.end(), err
}

// shortSource is what to say when a source ended at got bytes of size.
func shortSource(err error, got, size int64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return wrongSize(got, size)
	}
	return fmt.Errorf("read source at %d of %d bytes: %w", got, size, err)
}

func wrongSize(got, size int64) error {
	return fmt.Errorf("source has %d bytes, not %d: %w", got, size, io.ErrUnexpectedEOF)
}

// atEnd checks that r has nothing more: a source that has grown is another one.
func atEnd(r io.Reader, size int64) error {
	var b [1]byte
	switch n, err := io.ReadFull(r, b[:]); {
	case n > 0:
		return fmt.Errorf("source has more than %d bytes", size)
	case err != io.EOF:
		return fmt.Errorf("read source after %d bytes: %w", size, err)
	}
	return nil
}
