package block

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"appliance/internal/durable"
)

// Source has the files of one block, by the names that they have in its
// directory. Its methods may be called at the same time.
type Source interface {
	// ReadAt reads as io.ReaderAt says. It fails with fs.ErrNotExist if there is
	// no such file, and soon after ctx has ended.
	ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error)
	// Size is a file's length in bytes, or fs.ErrNotExist.
	Size(ctx context.Context, name string) (int64, error)
}

// Dir is the source of a block in a local directory. A file that was read stays
// open until Close, so that the block can be read after it was removed.
type Dir struct {
	fs    durable.FS
	path  string
	mu    sync.Mutex
	files map[string]durable.File
}

// OpenDir makes the source of a block's directory. Nothing is read yet.
func OpenDir(path string) *Dir { return OpenDirFS(durable.OS, path) }

// OpenDirFS is OpenDir in another filesystem than the operating system's.
func OpenDirFS(fsys durable.FS, path string) *Dir {
	return &Dir{fs: fsys, path: path, files: map[string]durable.File{}}
}

func (d *Dir) open(name string) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrClosed)
	}
	if f, ok := d.files[name]; ok {
		return f, nil
	}
	f, err := d.fs.OpenFile(filepath.Join(d.path, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	d.files[name] = f
	return f, nil
}

// ReadAt reads a range of a file.
func (d *Dir) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f, err := d.open(name)
	if err != nil {
		return 0, err
	}
	return f.ReadAt(p, off)
}

// Size is a file's length.
func (d *Dir) Size(_ context.Context, name string) (int64, error) {
	f, err := d.open(name)
	if err != nil {
		return 0, err
	}
	return f.Size()
}

// Close closes the files. No read may be under way.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, f := range d.files {
		errs = append(errs, f.Close())
	}
	d.files = nil
	return errors.Join(errs...)
}

// file is one of a source.
type file struct {
	src  Source
	name string
}

func (f file) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return f.src.ReadAt(ctx, f.name, p, off)
}

// readFile reads a whole file of at most limit bytes.
func readFile(ctx context.Context, src Source, name string, limit int64) ([]byte, error) {
	size, err := src.Size(ctx, name)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, size, limit)
	}
	data := make([]byte, size)
	return data, readExactly(ctx, src, name, data, 0)
}

// readExactly fills p.
func readExactly(ctx context.Context, src Source, name string, p []byte, off int64) error {
	n, err := src.ReadAt(ctx, name, p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes of %s at %d: %w", len(p), name, off, err)
}
