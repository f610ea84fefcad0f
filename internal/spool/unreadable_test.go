package spool

import (
	"io/fs"
	"sync"
	"syscall"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// unreadable is a filesystem with one bad byte: reads that touch it fail.
type unreadable struct {
	*crashfs.FS
	mu   sync.Mutex
	name string
	off  int64
}

func (u *unreadable) fail(name string, off int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.name, u.off = name, off
}

func (u *unreadable) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := u.FS.OpenFile(name, flag, perm)
	return unreadableFile{f, u, name}, err
}

type unreadableFile struct {
	durable.File
	fs   *unreadable
	name string
}

func (f unreadableFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.name == f.fs.name && off <= f.fs.off && f.fs.off < off+int64(len(p)) {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(p, off)
}
