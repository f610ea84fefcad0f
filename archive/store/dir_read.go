package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"appliance/internal/durable"
)

type dirObject struct {
	ctx  context.Context // that of Open, as its contract says
	d    *dirStore
	file durable.File
	name string
	size int64
}

func (d *dirStore) Open(ctx context.Context, name string) (Object, error) {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return nil, err
	}
	f, err := d.fsys.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(d.fail("open", name, err), f.Close())
	}
	return &dirObject{ctx, d, f, name, size}, nil
}

func (o *dirObject) Size() int64 { return o.size }

func (o *dirObject) Close() error { return o.file.Close() }

func (o *dirObject) ReadAt(p []byte, off int64) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, err
	}
	return o.file.ReadAt(p, off)
}

func (o *dirObject) WriteTo(w io.Writer) (int64, error) {
	b := make([]byte, min(max(o.size, 1), bufferSize))
	for off := int64(0); off < o.size; {
		part := b[:min(int64(len(b)), o.size-off)]
		if err := o.d.limit.wait(o.ctx, len(part)); err != nil {
			return off, err
		}
		if n, err := o.file.ReadAt(part, off); n < len(part) {
			return off, o.d.fail("read", o.name, fmt.Errorf("got %d of %d bytes: %w", off+int64(n), o.size, noEOF(err)))
		}
		n, err := w.Write(part)
		off += int64(n)
		if err != nil {
			return off, err
		}
	}
	return o.size, nil
}
