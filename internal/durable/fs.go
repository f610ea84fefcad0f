package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// FS is the part of a filesystem on which durability depends. Nothing but
// SyncDir makes a name durable: neither that of a created file, nor a rename,
// nor a removal.
type FS interface {
	// OpenFile opens name as os.OpenFile does.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Stat describes the file that has a name now.
	Stat(name string) (fs.FileInfo, error)
	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	Mkdir(name string, perm fs.FileMode) error
	// Rename replaces newname atomically.
	Rename(oldname, newname string) error
	// Link gives a file a second name; fs.ErrExist when newname is taken.
	Link(oldname, newname string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// SyncDir returns once the names in a directory are durable.
	SyncDir(name string) error
}

// File is an open file. What was written is durable after Sync, and only then.
type File interface {
	io.ReaderAt
	io.Closer
	// WritevAt writes bufs one after the other from off on, in one system
	// call where their number allows. After an error any part may be written.
	// It does not keep bufs, which may be changed by the call.
	WritevAt(bufs [][]byte, off int64) error
	// Size is the length of the file in bytes.
	Size() (int64, error)
	// Stat describes the file, whatever name it has now, if any.
	Stat() (fs.FileInfo, error)
	// Allocate makes the file size bytes long, zeros where nothing was written,
	// and reserves the space where the filesystem can, so that writing within
	// it does not run out of space.
	Allocate(size int64) error
	// Truncate cuts or extends the file to size bytes.
	Truncate(size int64) error
	// Sync returns once everything written, and the size, is on stable storage
	// (fdatasync). See the package comment on its errors.
	Sync() error
}

// A Cloner is a File that can share the bytes of another.
type Cloner interface {
	// Clone makes the content that of src without copying bytes. Where the
	// filesystem cannot, it returns an error and has changed nothing.
	Clone(src *os.File) error
}

// A Forgetter is a File that can drop what the system remembers of n bytes from
// off on, so that the next read asks the medium. What is not written back yet
// stays.
type Forgetter interface {
	Forget(off, n int64) error
}

// SameFile says whether two descriptions, from Stat, are of one file.
func SameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) || a.Sys() != nil && a.Sys() == b.Sys() // of a filesystem in memory
}

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, openRead, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("read %s: %d bytes, more than the limit of %d", name, size, limit)
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}
