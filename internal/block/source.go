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

// File is an open file of a block.
type File interface {
	io.ReaderAt
	io.Closer
	// Size is the length in bytes.
	Size() (int64, error)
}

// Files is the source of a block whose files are opened by their names. One that
// was read stays open until Close, so that the block can be read after it was
// removed.
type Files struct {
	open  func(name string) (File, error)
	mu    sync.Mutex
	files map[string]File
}

// OpenFiles makes a source. Nothing is opened yet.
func OpenFiles(open func(name string) (File, error)) *Files {
	return &Files{open: open, files: map[string]File{}}
}

// OpenDir makes the source of a block's directory on the local disk.
func OpenDir(path string) *Files {
	return OpenFiles(func(name string) (File, error) {
		f, err := os.Open(filepath.Join(path, name))
		if err != nil {
			return nil, err
		}
		return osFile{f}, nil
	})
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (s *Files) file(name string) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrClosed)
	}
	if f, ok := s.files[name]; ok {
		return f, nil
	}
	f, err := s.open(name)
	if err != nil {
		return nil, err
	}
	s.files[name] = f
	return f, nil
}

// ReadAt reads a range of a file.
func (s *Files) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f, err := s.file(name)
	if err != nil {
		return 0, err
	}
	return f.ReadAt(p, off)
}

// Size is a file's length.
func (s *Files) Size(_ context.Context, name string) (int64, error) {
	f, err := s.file(name)
	if err != nil {
		return 0, err
	}
	return f.Size()
}

// Close closes the files. No read may be under way.
func (s *Files) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
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
