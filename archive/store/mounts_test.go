//go:build peers && linux

package store_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"appliance/archive/store"
)

// mount mounts a filesystem for the test.
func mount(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

func free(t *testing.T, dir string) int64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}

func TestRealFullDisk(t *testing.T) {
	dir := mount(t, "-t", "tmpfs", "-o", "size=4m", "tmpfs")
	s := openDir(t, dir)
	before := free(t, dir)
	for _, size := range []int64{before + 1, 64 << 20} {
		if err := put(t.Context(), s, "t/b/data", random(int(size))); !errors.Is(err, store.ErrFull) {
			t.Errorf("%d bytes into %d: %v", size, before, err)
		}
	}
	lists, err := os.ReadDir(dir)
	if err != nil || len(lists) != 0 || free(t, dir) != before {
		t.Errorf("left behind %v, %d of %d bytes free, %v", lists, free(t, dir), before, err)
	}
	if err := put(t.Context(), s, "t/b/data", random(1<<20)); err != nil {
		t.Error(err)
	}
}

// On a filesystem that shares bytes a copy costs no space.
func TestRealSharing(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 400<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.xfs", "-q", "-m", "reflink=1", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.xfs (Debian's package xfsprogs): %v: %s", err, out)
	}
	dir := mount(t, "-o", "loop", image)
	data := random(32 << 20)
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openDir(t, filepath.Join(dir, "store"))
	f, err := os.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	before := free(t, dir)
	if _, err := s.Put(t.Context(), "t/b/data", f, int64(len(data))); err != nil {
		t.Fatal(err)
	}
	if used := before - free(t, dir); used > int64(len(data))/4 {
		t.Errorf("the copy of %d bytes took %d", len(data), used)
	}
	// The source is written again in place; the copy stays.
	if err := os.WriteFile(source, bytes.Repeat([]byte{1}, len(data)), 0o600); err != nil {
		t.Fatal(err)
	}
	if state(t, s, "t/b/data") != string(data) {
		t.Error("the copy changed with its source")
	}
}
