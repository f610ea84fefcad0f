package store_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"appliance/archive/store"
	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// sharingFS is a filesystem in memory whose files can share the bytes of others.
type sharingFS struct {
	*crashfs.FS
	clones *int
	before func() // happens between looking at a source and sharing it
}

type sharingFile struct {
	durable.File
	fsys sharingFS
}

func (f sharingFS) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	return sharingFile{file, f}, err
}

func (f sharingFile) Clone(src *os.File) error {
	*f.fsys.clones++
	f.fsys.before()
	data, err := os.ReadFile(src.Name())
	return errors.Join(err, f.WritevAt([][]byte{data}, 0))
}

func TestFilesAreShared(t *testing.T) {
	clones := 0
	fsys := sharingFS{crashfs.New(), &clones, func() {}}
	s := store.OnFS(fsys, store.Options{})
	data := random(2*store.BufferSize + 3)
	name := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put := func(object string, size int) error {
		sum, err := s.Put(t.Context(), object, f, int64(size))
		if err == nil && sum != sha256.Sum256(data) {
			t.Errorf("%s: the sum is of other bytes", object)
		}
		return err
	}
	if err := put("a", len(data)); err != nil || clones != 1 || state(t, s, "a") != string(data) {
		t.Errorf("%d clones, %v", clones, err)
	}
	if err := put("b", len(data)-1); err == nil || clones != 1 {
		t.Errorf("a part of a file was shared: %d clones, %v", clones, err)
	}
	rewind(t, f, 1)
	if err := put("b", len(data)); !errors.Is(err, io.ErrUnexpectedEOF) || clones != 1 {
		t.Errorf("a file was shared from its middle: %d clones, %v", clones, err)
	}

	// A source that is written again meanwhile is refused, or hashed as it is kept.
	rewind(t, f, 0)
	for _, meanwhile := range [][]byte{data[:10], random(len(data) + 10)} {
		fsys.before = func() { _ = os.WriteFile(name, meanwhile, 0o600) }
		s = store.OnFS(fsys, store.Options{})
		if err := put("b", len(data)); err == nil {
			t.Errorf("the source became %d bytes of %d", len(meanwhile), len(data))
		}
		if got := state(t, s, "b"); got != "(missing)" {
			t.Errorf("%d bytes are there", len(got))
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	other := random(len(data))
	other[5]++
	fsys.before = func() { _ = os.WriteFile(name, other, 0o600) }
	s = store.OnFS(fsys, store.Options{})
	if sum, err := s.Put(t.Context(), "b", f, int64(len(data))); err != nil || sum != sha256.Sum256([]byte(state(t, s, "b"))) {
		t.Errorf("the sum is not of what is kept: %v", err)
	}
}

func rewind(t *testing.T, f *os.File, to int64) {
	t.Helper()
	if _, err := f.Seek(to, io.SeekStart); err != nil {
		t.Fatal(err)
	}
}
