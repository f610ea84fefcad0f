package durable_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"appliance/internal/durable"
)

func TestWritevAtManyBuffers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	f, err := durable.OS.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	defer f.Close()
	var bufs [][]byte
	var want []byte
	for i := range 3000 { // above IOV_MAX, some empty
		b := []byte(strconv.Itoa(i))[:i%4%len(strconv.Itoa(i))]
		bufs = append(bufs, b)
		want = append(want, b...)
	}
	must(t, f.WritevAt(bufs, 7))
	must(t, f.Sync())
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, 7); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the buffers were not written one after the other")
	}
	must(t, f.WritevAt(nil, 0))
	must(t, f.WritevAt([][]byte{nil, {}}, 0))
}

func TestAllocate(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	f, err := durable.OS.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	defer f.Close()
	must(t, f.WritevAt([][]byte{[]byte("x")}, 0))
	must(t, f.Allocate(1<<20))
	size, err := f.Size()
	must(t, err)
	if size != 1<<20 {
		t.Errorf("size %d", size)
	}
	b := make([]byte, 3)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "x\x00\x00" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestWriteErrorIsReported(t *testing.T) {
	f, err := durable.OS.OpenFile("/dev/full", os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	if err := f.WritevAt([][]byte{[]byte("x")}, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

func TestMkdirAllOnDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	must(t, durable.MkdirAll(durable.OS, dir, 0o755))
	must(t, durable.MkdirAll(durable.OS, dir, 0o755))
	file := filepath.Join(dir, "file")
	must(t, durable.WriteFile(durable.OS, file, []byte("content"), 0o644))
	if err := durable.MkdirAll(durable.OS, file, 0o755); err == nil {
		t.Error("a file passed for a directory")
	}
	must(t, durable.WriteFile(durable.OS, file, []byte("2"), 0o644))
	if got := read(t, durable.OS, file); got != "2" {
		t.Errorf("got %q", got)
	}
	names, err := durable.OS.ReadDir(dir)
	must(t, err)
	if len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestRootedStaysInside(t *testing.T) {
	outside, inside := t.TempDir(), t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(inside, "door")))
	root, err := os.OpenRoot(inside)
	must(t, err)
	defer root.Close()
	fsys := durable.Rooted(root)

	must(t, durable.MkdirAll(fsys, "a/b", 0o755))
	must(t, durable.WriteFile(fsys, "a/b/file", []byte("content"), 0o644))
	must(t, fsys.Link("a/b/file", "second"))
	if err := fsys.Link("a/b/file", "second"); !errors.Is(err, os.ErrExist) {
		t.Errorf("linked over a file: %v", err)
	}
	if got := read(t, durable.OS, filepath.Join(inside, "second")); got != "content" {
		t.Errorf("got %q", got)
	}
	names, err := fsys.ReadDir(".")
	must(t, err)
	if len(names) != 3 || names[0].Name() != "a" {
		t.Errorf("got %v", names)
	}
	must(t, fsys.Rename("second", "third"))
	must(t, durable.Remove(fsys, "third"))

	if _, err := fsys.OpenFile("a/b", os.O_RDONLY, 0); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("opened a directory: %v", err)
	}
	for name, err := range map[string]error{
		"door/x": durable.WriteFile(fsys, "door/x", nil, 0o644),
		"..":     durable.WriteFile(fsys, "../x", nil, 0o644),
		"link":   fsys.Link("a/b/file", "door/x"),
		"mkdir":  fsys.Mkdir("door/d", 0o755),
		"sync":   fsys.SyncDir("door"),
	} {
		if err == nil {
			t.Errorf("%s: led out of the root", name)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("written outside: %v", left)
	}
}
