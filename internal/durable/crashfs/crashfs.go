// Package crashfs is a filesystem in memory that keeps apart what a reader sees
// and what a medium holds, in order to test what is left after a crash.
//
// It is as unkind as POSIX allows: without Sync, every 512-byte sector of every
// write may be lost, kept or (where asked) filled with garbage on its own,
// in any order; without SyncDir, so may every change of a name. A failed Sync
// loses what was pending, while reads keep showing it and the next Sync
// succeeds, as Linux does.
//
// It assumes what everybody who appends must assume: writing to a sector leaves
// its other bytes alone. And of a rename into another directory it assumes what
// every filesystem with a journal gives: the old name does not go before the new
// one is there. (ext2 does not: Pillai et al., All File Systems Are Not Created
// Equal, OSDI 2014.)
package crashfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"appliance/internal/durable"
)

// ErrCrashed is what every call returns from the crash on.
var ErrCrashed = errors.New("the machine has crashed")

// Kind names a call that changes something.
type Kind string

// The calls that are counted as steps, at each of which a crash or a fault can
// be placed.
const (
	Create   Kind = "create"
	Mkdir    Kind = "mkdir"
	Rename   Kind = "rename"
	Link     Kind = "link"
	Remove   Kind = "remove"
	SyncDir  Kind = "syncdir"
	Write    Kind = "write"
	Allocate Kind = "allocate"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
)

// Op is one step.
type Op struct {
	Step int // 1 is the first
	Kind Kind
	Path string
}

// FS is the filesystem of one life of the machine or process; Kill and PowerCut
// give the one that the next life finds.
type FS struct {
	mu        sync.Mutex
	root      *dir
	steps     int
	crashAt   int
	crashed   bool
	loseNames bool
	fault     func(Op) error
	slow      func(Op)
	capacity  int64 // 0: no limit
	used      int64
}

var _ durable.FS = (*FS)(nil)

// New returns an empty filesystem with a root directory "/".
func New() *FS { return &FS{root: newDir()} }

// Steps is the number of changing calls so far.
func (f *FS) Steps() int { f.mu.Lock(); defer f.mu.Unlock(); return f.steps }

// CrashAt makes the given step the last: it may happen wholly, partly or not at
// all, and it and all later calls return ErrCrashed. 0 is never.
func (f *FS) CrashAt(step int) { f.mu.Lock(); defer f.mu.Unlock(); f.crashAt = step }

// Fail asks fault at each step; an error of it is what the call returns. A
// failing Write has then written its first half.
func (f *FS) Fail(fault func(Op) error) { f.mu.Lock(); defer f.mu.Unlock(); f.fault = fault }

// LoseNames lets a failing SyncDir lose what has changed in the directory, as a
// failing Sync loses what was written.
func (f *FS) LoseNames() { f.mu.Lock(); defer f.mu.Unlock(); f.loseNames = true }

// Slow calls delay at each step before it happens; others can go on meanwhile.
func (f *FS) Slow(delay func(Op)) { f.mu.Lock(); defer f.mu.Unlock(); f.slow = delay }

// Capacity bounds the bytes of all files; beyond it calls return ENOSPC. 0 means no limit.
func (f *FS) Capacity(n int64) { f.mu.Lock(); defer f.mu.Unlock(); f.capacity = n }

// step counts one changing call. dying says that the call is the last one and
// is to leave its change behind as pending.
func (f *FS) step(kind Kind, name string) (dying bool, err error) {
	if f.crashed {
		return false, ErrCrashed
	}
	if delay := f.slow; delay != nil {
		op := Op{f.steps + 1, kind, name}
		f.mu.Unlock()
		delay(op)
		f.mu.Lock()
		if f.crashed {
			return false, ErrCrashed
		}
	}
	f.steps++
	if f.steps == f.crashAt {
		f.crashed = true
		return true, ErrCrashed
	}
	if f.fault != nil {
		if err := f.fault(Op{f.steps, kind, name}); err != nil {
			return false, &fs.PathError{Op: string(kind), Path: name, Err: err}
		}
	}
	return false, nil
}

// reserve accounts for a file growing by n bytes, or shrinking.
func (f *FS) reserve(n int64) error {
	if f.capacity > 0 && n > 0 && f.used+n > f.capacity {
		return syscall.ENOSPC
	}
	f.used += n
	return nil
}

// OpenFile knows O_CREATE, O_EXCL and O_TRUNC.
func (f *FS) OpenFile(name string, flag int, _ fs.FileMode) (durable.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	parent, base, err := f.lookup("open", name)
	if err != nil {
		return nil, err
	}
	switch n := parent.now[base].(type) {
	case *dir:
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case *inode:
		if flag&os.O_EXCL != 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EEXIST}
		}
		if flag&os.O_TRUNC != 0 && len(n.data) > 0 {
			dying, err := f.step(Truncate, name)
			if err != nil && !dying {
				return nil, err
			}
			f.used -= int64(len(n.data))
			n.change(change{truncate: true, off: 0})
			if dying {
				return nil, ErrCrashed
			}
		}
		return &file{f, n, name}, nil
	}
	if flag&os.O_CREATE == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	dying, err := f.step(Create, name)
	if err != nil && !dying {
		return nil, err
	}
	n := &inode{}
	parent.change(base, n)
	if dying {
		return nil, ErrCrashed
	}
	return &file{f, n, name}, nil
}

// Mkdir makes a directory.
func (f *FS) Mkdir(name string, _ fs.FileMode) error {
	return f.rename(Mkdir, name, func(parent *dir, base string) (func(), error) {
		if parent.now[base] != nil {
			return nil, syscall.EEXIST
		}
		return func() { parent.change(base, newDir()) }, nil
	})
}

// Remove removes a file or an empty directory.
func (f *FS) Remove(name string) error {
	return f.rename(Remove, name, func(parent *dir, base string) (func(), error) {
		switch n := parent.now[base].(type) {
		case nil:
			return nil, syscall.ENOENT
		case *dir:
			if len(n.now) > 0 {
				return nil, syscall.ENOTEMPTY
			}
		case *inode:
			return func() { f.used -= int64(len(n.data)); parent.change(base, nil) }, nil
		}
		return func() { parent.change(base, nil) }, nil
	})
}

// Rename moves a file, replacing a file of the new name.
func (f *FS) Rename(oldname, newname string) error {
	return f.rename(Rename, oldname, func(from *dir, oldbase string) (func(), error) {
		n := from.now[oldbase]
		if n == nil {
			return nil, syscall.ENOENT
		}
		to, newbase, err := f.lookup("rename", newname)
		if err != nil {
			return nil, err
		}
		return func() {
			if replaced, ok := to.now[newbase].(*inode); ok && replaced != n {
				f.used -= int64(len(replaced.data))
			}
			if from == to {
				from.changes(entry{newbase, n}, entry{oldbase, nil})
				return
			}
			first := to.change(newbase, n)
			from.change(oldbase, nil).first = first
		}, nil
	})
}

// Link gives a file a second name. Its bytes count twice while it has two.
func (f *FS) Link(oldname, newname string) error {
	f.mu.Lock()
	from, oldbase, err := f.lookup("link", oldname)
	var n *inode
	if err == nil {
		n, _ = from.now[oldbase].(*inode)
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.rename(Link, newname, func(to *dir, newbase string) (func(), error) {
		switch {
		case n == nil:
			return nil, syscall.ENOENT
		case to.now[newbase] != nil:
			return nil, syscall.EEXIST
		}
		return func() { f.used += int64(len(n.data)); to.change(newbase, n) }, nil
	})
}

// rename does one change of names: check says what, or why not.
func (f *FS) rename(kind Kind, name string, check func(parent *dir, base string) (func(), error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return ErrCrashed
	}
	parent, base, err := f.lookup(string(kind), name)
	if err != nil {
		return err
	}
	apply, err := check(parent, base)
	if err != nil {
		return &fs.PathError{Op: string(kind), Path: name, Err: err}
	}
	dying, err := f.step(kind, name)
	if err == nil || dying {
		apply()
	}
	return err
}

// SyncDir makes the names in a directory durable.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return ErrCrashed
	}
	d, err := f.dir("syncdir", name)
	if err != nil {
		return err
	}
	switch dying, err := f.step(SyncDir, name); {
	case err == nil:
		d.sync()
		return nil
	case f.loseNames && !dying && !f.crashed:
		d.lose()
		return err
	default:
		return err
	}
}

// ReadDir lists a directory.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	d, err := f.dir("readdir", name)
	if err != nil {
		return nil, err
	}
	return d.list(), nil
}

// Stat describes a file or a directory.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	parent, base, err := f.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	n := parent.now[base]
	if n == nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: syscall.ENOENT}
	}
	return infoOf(base, n), nil
}

func (f *FS) lookup(op, name string) (*dir, string, error) {
	name = path.Clean(name)
	d, err := f.dir(op, path.Dir(name))
	return d, path.Base(name), err
}

func (f *FS) dir(op, name string) (*dir, error) {
	name = path.Clean(name)
	if name == "/" || name == "." {
		return f.root, nil
	}
	parent, base, err := f.lookup(op, name)
	if err != nil {
		return nil, err
	}
	switch n := parent.now[base].(type) {
	case *dir:
		return n, nil
	case nil:
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
	default:
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
}
