package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Rooted is the part of the operating system's filesystem below root. Names are
// relative to it, and none leads out of it, by a symbolic link neither. Its
// OpenFile refuses a directory.
func Rooted(root *os.Root) FS { return rootedFS{root} }

type rootedFS struct{ root *os.Root }

func (r rootedFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := r.root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f}, nil
}

func (r rootedFS) Stat(name string) (fs.FileInfo, error)      { return r.root.Stat(name) }
func (r rootedFS) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(r.root.FS(), name) }
func (r rootedFS) Mkdir(name string, perm fs.FileMode) error  { return r.root.Mkdir(name, perm) }
func (r rootedFS) Rename(oldname, newname string) error       { return r.root.Rename(oldname, newname) }
func (r rootedFS) Link(oldname, newname string) error         { return r.root.Link(oldname, newname) }
func (r rootedFS) Remove(name string) error                   { return r.root.Remove(name) }

func (r rootedFS) SyncDir(name string) error {
	d, err := r.root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
