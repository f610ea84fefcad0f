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

// Remove removes name; that it is gone already is not an error.
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

// MkdirAll makes a directory and the parents that are missing. It syncs the
// names of all of them, also of those that were there: an earlier run may have
// died between making and syncing. It does not insist on that where it could
// not have made a name.
func MkdirAll(fsys FS, name string, perm fs.FileMode) error {
	name = filepath.Clean(name)
	if err := mkdirAll(fsys, name, perm); err != nil {
		return err
	}
	_, err := fsys.ReadDir(name) // it may have been there as a file
	return err
}

func mkdirAll(fsys FS, name string, perm fs.FileMode) error {
	parent := filepath.Dir(name)
	if parent == name {
		return nil
	}
	if err := mkdirAll(fsys, parent, perm); err != nil {
		return err
	}
	err := fsys.Mkdir(name, perm)
	existed := errors.Is(err, fs.ErrExist)
	if err != nil && !existed {
		return err
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
