package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	openRead    = os.O_RDONLY
	openReplace = os.O_RDWR | os.O_CREATE | os.O_TRUNC
)

// TempSuffix ends the name of the file that WriteFile writes before it renames
// it. A crash may leave one behind; the next WriteFile of that name reuses it.
const TempSuffix = ".tmp"

// WriteFile puts data in the file called name, atomically: whoever opens name,
// at any time and after any crash, finds the old content or all of the new. Calls for the
// same name must not overlap.
func WriteFile(fsys FS, name string, data []byte, perm fs.FileMode) error {
	temp := name + TempSuffix
	if err := writeSynced(fsys, temp, data, perm); err != nil {
		return errors.Join(err, ignoreMissing(fsys.Remove(temp)))
	}
	return Rename(fsys, temp, name)
}

func writeSynced(fsys FS, name string, data []byte, perm fs.FileMode) error {
	f, err := fsys.OpenFile(name, openReplace, perm)
	if err != nil {
		return err
	}
	if err := f.WritevAt([][]byte{data}, 0); err != nil {
		return errors.Join(fmt.Errorf("write %d bytes to %s: %w", len(data), name, err), f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", name, err), f.Close())
	}
	return f.Close()
}

// Rename gives oldname the name newname, replacing what had it. The content
// must have been synced by the caller.
func Rename(fsys FS, oldname, newname string) error {
	if err := fsys.Rename(oldname, newname); err != nil {
		return err
	}
	// The new name first: after a crash in between, a file with two names is
	// better than one with none.
	to, from := filepath.Dir(newname), filepath.Dir(oldname)
	if err := fsys.SyncDir(to); err != nil {
		return fmt.Errorf("sync directory %s: %w", to, err)
	}
	if from == to {
		return nil
	}
	if err := fsys.SyncDir(from); err != nil {
		return fmt.Errorf("sync directory %s: %w", from, err)
	}
	return nil
}

// Remove removes name; that it is gone already is no error.
func Remove(fsys FS, name string) error {
	if err := ignoreMissing(fsys.Remove(name)); err != nil {
		return err
	}
	dir := filepath.Dir(name)
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// MkdirAll makes a directory and the parents that are missing, and syncs the
// names it made. It syncs the name of a directory that was there already too,
// as an earlier run may have died before it did; unless the parent is one in
// which we could not have made it.
func MkdirAll(fsys FS, name string, perm fs.FileMode) error {
	name = filepath.Clean(name)
	parent := filepath.Dir(name)
	err := fsys.Mkdir(name, perm)
	if errors.Is(err, fs.ErrNotExist) && parent != name {
		if err := MkdirAll(fsys, parent, perm); err != nil {
			return err
		}
		err = fsys.Mkdir(name, perm)
	}
	existed := false
	if err != nil {
		// Not only ErrExist: where we may not write, Mkdir says so first.
		if _, unusable := fsys.ReadDir(name); unusable != nil {
			return err
		}
		existed = true
	}
	err = fsys.SyncDir(parent)
	if existed && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", parent, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
