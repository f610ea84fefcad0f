package durable_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"appliance/internal/durable"
)

// A lock file that is empty and takes no byte, as on a full disk, is locked like any other.
func TestLockOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.MemfdCreate("full", unix.MFD_ALLOW_SEALING)
	must(t, err)
	full := os.NewFile(uintptr(fd), "full")
	defer full.Close()
	_, err = unix.FcntlInt(full.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW)
	must(t, err)
	if _, err := full.Write([]byte("1")); err == nil {
		t.Fatal("the file takes a byte")
	}
	must(t, os.Symlink(fmt.Sprintf("/proc/self/fd/%d", fd), filepath.Join(dir, durable.LockName)))
	lock, err := durable.LockDir(dir)
	must(t, err)
	if _, err := durable.LockDir(dir); err == nil {
		t.Error("locked twice")
	}
	must(t, lock.Unlock())
}
