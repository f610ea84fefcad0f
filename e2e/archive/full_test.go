package archive

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestFullDisk fills the disk of the archive. Nothing is purged then, status
// says why, and it goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	const diskBytes = 64 << 20
	dir, disk := dataDir(t), smallDisk(t, diskBytes)
	env := map[string]string{"APPLIANCE_ARCHIVE_STORE": "file://" + disk + "/archive"}
	a := harness.Start(t, brief(dir, env))
	saw := watch(t, harness.BlocksDir(dir))
	w := newWaves(t, gentle)
	w.to(a)
	// the clock is trusted after a minute, and some blocks are archived and not purged yet
	w.send(100 * time.Second)

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	w.next()
	doubted(t, a, "store_full")
	mustPurgeNothing(t, a, w)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	goesOn(t, a, w)
	w.mustHold(harness.BlocksDir(dir), filepath.Join(disk, "archive"))
	saw.mustBeKept(t, filepath.Join(disk, "archive"))
	commands{dataDir: dir, env: env}.mustBeWhole(t)
}

// doubted waits until status says why nothing is purged.
func doubted(t *testing.T, a *harness.Appliance, why string) {
	t.Helper()
	harness.Eventually(t, time.Minute, "doubt", func() error {
		s, err := a.Status(t.Context())
		if err == nil && !strings.Contains(s.Archive.Purge.Doubt, why) {
			err = fmt.Errorf("status does not say %q: %+v", why, s.Archive)
		}
		return err
	})
	text, _ := a.Metrics(t)
	if !strings.Contains(string(text), "\nappliance_archive_purge_in_doubt 1\n") {
		t.Error("appliance_archive_purge_in_doubt is not 1")
	}
}

// mustPurgeNothing looks for longer than a block that is due would take.
func mustPurgeNothing(t *testing.T, a *harness.Appliance, w *waves) {
	t.Helper()
	before, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.send(retention + 15*time.Second)
	after, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, q := before.Archive.Purge, after.Archive.Purge
	if q.PurgedBlocks != p.PurgedBlocks || q.HeldBlocks == 0 || q.Doubt == "" {
		t.Errorf("in doubt it was %+v, then %+v", p, q)
	}
}

// goesOn waits until everything is archived and purging has begun again.
func goesOn(t *testing.T, a *harness.Appliance, w *waves) {
	t.Helper()
	w.stop()
	before := archived(t, a, 2*time.Minute)
	harness.Eventually(t, 2*time.Minute, "purging", func() error {
		s, err := a.Status(t.Context())
		if err == nil && (s.Archive.Purge.Doubt != "" || s.Archive.Purge.PurgedBlocks <= before.Archive.Purge.PurgedBlocks) {
			err = fmt.Errorf("%+v", s.Archive.Purge)
		}
		return err
	})
}

// smallDisk mounts a filesystem of so many bytes in memory.
func smallDisk(t *testing.T, bytes int64) string {
	t.Helper()
	mount := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", bytes), "tmpfs", mount)
	t.Cleanup(func() {
		harness.EndOrphans(t, mount)
		run(t, "umount", mount)
	})
	return mount
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// fill takes all the room that is left.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); ; {
		if n, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			if n == 0 && len(block) == 1 {
				return
			}
			block = block[:max(1, len(block)/2)]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
