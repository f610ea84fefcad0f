//go:build unix

package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"appliance/archive/store"
)

// Others may read neither files nor directories, and a stricter umask holds.
// The umask is that of the process, so no other test of this package may run
// meanwhile.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		umask      int
		file, dirs fs.FileMode
	}{{0, 0o640, 0o750}, {0o022, 0o640, 0o750}, {0o077, 0o600, 0o700}} {
		dir := filepath.Join(t.TempDir(), "new", "archive")
		before := syscall.Umask(c.umask)
		err := fillModes(t, dir)
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		err = filepath.WalkDir(filepath.Dir(dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			want := c.file
			if e.IsDir() {
				want = c.dirs
			}
			if seen++; info.Mode().Perm() != want {
				t.Errorf("umask %03o: %s has mode %03o, want %03o", c.umask, path, info.Mode().Perm(), want)
			}
			return nil
		})
		if err != nil || seen != 6 {
			t.Errorf("%d files and directories, %v", seen, err)
		}
	}
}

// fillModes makes a store with one object deep down, one at its root that was
// replaced, and none else.
func fillModes(t *testing.T, dir string) error {
	s, err := store.Open(t.Context(), dir, store.Options{Create: true})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Put(t.Context(), "a/b/data.parquet", strings.NewReader("spans"), 5); err != nil {
		return err
	}
	for _, text := range []string{"old", "new"} {
		if err := s.Replace(t.Context(), "@catalog", []byte(text)); err != nil {
			return err
		}
	}
	// What is staged, and left by a process that was killed.
	if leftover, err := filepath.Glob(filepath.Join(dir, "@staging-*")); err != nil || len(leftover) > 0 {
		t.Errorf("%v, %v", leftover, err)
	}
	return nil
}

// A directory that is there already is a person's to give access to.
func TestModeOfAnExistingDirectoryStays(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o2775); err != nil {
		t.Fatal(err)
	}
	if err := fillModes(t, dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o775 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
