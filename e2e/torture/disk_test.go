package torture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"appliance/e2e/internal/harness"
)

// disk is an ext4 filesystem in a file, whose power can fail.
type disk struct{ image, mount string }

func newDisk(t testing.TB, bytes int64) *disk {
	t.Helper()
	dir := t.TempDir()
	d := &disk{filepath.Join(dir, "image"), filepath.Join(dir, "mnt")}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(bytes)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Mkdir(d.mount, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", "-F", d.image)
	d.mountIt(t)
	t.Cleanup(func() {
		harness.EndOrphans(t, d.mount)
		d.unmount(t)
	})
	return d
}

func (d *disk) mountIt(t testing.TB) {
	t.Helper()
	command(t, "mount", "-o", "loop", d.image, d.mount)
}

// unmount waits for the kernel to notice that nobody uses the disk any more.
// Mounted again while its loop device is still there, it would be the
// filesystem without power, not a new one: another mount namespace that was
// made meanwhile, such as a container's, can hold it.
func (d *disk) unmount(t testing.TB) {
	t.Helper()
	harness.Eventually(t, 20*time.Second, "unmounted", func() error {
		if out, err := exec.Command("umount", d.mount).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	harness.Eventually(t, time.Minute, "loop device gone", func() error {
		out, err := exec.Command("losetup", "-j", d.image).CombinedOutput()
		if err == nil && len(out) > 0 {
			err = fmt.Errorf("still there: %s", out)
		}
		return err
	})
}

// cut lets the power fail: nothing that is not on the medium yet gets there any
// more (FS_IOC_SHUTDOWN of linux/fs.h, NOLOGFLUSH).
func (d *disk) cut(t testing.TB) {
	t.Helper()
	const shutdown, noLogFlush = 0x8004587d, 2
	f, err := os.Open(d.mount)
	if err == nil {
		defer f.Close()
		err = unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush)
	}
	if err != nil {
		t.Fatalf("cut the power of %s: %v", d.mount, err)
	}
}

// smallDisk mounts a filesystem of so many bytes in memory.
func smallDisk(t testing.TB, bytes int64) string {
	t.Helper()
	mount := t.TempDir()
	command(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", bytes), "tmpfs", mount)
	t.Cleanup(func() {
		harness.EndOrphans(t, mount)
		command(t, "umount", mount)
	})
	return mount
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}
