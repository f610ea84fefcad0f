package crashfs_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

func create(t *testing.T, f *crashfs.FS, name string) durable.File {
	t.Helper()
	h, err := f.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func write(t *testing.T, h durable.File, off int64, s string) {
	t.Helper()
	if err := h.WritevAt([][]byte{[]byte(s)}, off); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, f *crashfs.FS, name string) string {
	t.Helper()
	b, err := durable.ReadFile(f, name, 1<<20)
	if errors.Is(err, os.ErrNotExist) {
		return "(missing)"
	}
	must(t, err)
	return string(b)
}

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 0)) }

func TestPowerCutKeepsWhatWasSynced(t *testing.T) {
	for _, mode := range []crashfs.Mode{crashfs.LoseAll, crashfs.KeepAll, crashfs.Scramble, crashfs.Garbage} {
		f := crashfs.New()
		h := create(t, f, "/a")
		write(t, h, 0, "kept")
		must(t, h.Sync())
		must(t, f.SyncDir("/"))
		if got := content(t, f.PowerCut(mode, seeded(1)), "/a"); got != "kept" {
			t.Errorf("mode %d: got %q", mode, got)
		}
	}
}

func TestPowerCutLosesWhatWasNotSynced(t *testing.T) {
	f := crashfs.New()
	h := create(t, f, "/named")
	must(t, f.SyncDir("/"))
	write(t, h, 0, "lost")
	h = create(t, f, "/unnamed")
	write(t, h, 0, "data without a name")
	must(t, h.Sync())
	after := f.PowerCut(crashfs.LoseAll, seeded(1))
	if got := content(t, after, "/named"); got != "" {
		t.Errorf("unsynced data survived: %q", got)
	}
	if got := content(t, after, "/unnamed"); got != "(missing)" {
		t.Errorf("unsynced name survived: %q", got)
	}
}

// Two sectors of one write, and two writes, must come apart in every way.
func TestScrambleReordersAndTears(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		f := crashfs.New()
		h := create(t, f, "/a")
		write(t, h, 0, strings.Repeat(".", 1536))
		must(t, h.Sync())
		must(t, f.SyncDir("/"))
		write(t, h, 0, strings.Repeat("1", 1024))
		write(t, h, 1024, strings.Repeat("2", 512))
		got := content(t, f.PowerCut(crashfs.Scramble, seeded(seed)), "/a")
		seen[fmt.Sprintf("%c%c%c", got[0], got[512], got[1024])] = true
	}
	if len(seen) != 8 {
		t.Errorf("want all 8 combinations of 3 sectors, got %v", seen)
	}
}

func TestKillKeepsEverythingButMakesNothingDurable(t *testing.T) {
	f := crashfs.New()
	h := create(t, f, "/a")
	must(t, f.SyncDir("/"))
	write(t, h, 0, "cached")
	killed := f.Kill()
	if got := content(t, killed, "/a"); got != "cached" {
		t.Errorf("after a kill: %q", got)
	}
	if err := h.Sync(); !errors.Is(err, crashfs.ErrCrashed) {
		t.Errorf("the old life goes on: %v", err)
	}
	if got := content(t, killed.PowerCut(crashfs.LoseAll, seeded(1)), "/a"); got != "" {
		t.Errorf("a kill made data durable: %q", got)
	}
}

func TestFailedSyncLosesDataForGood(t *testing.T) {
	f := crashfs.New()
	h := create(t, f, "/a")
	must(t, f.SyncDir("/"))
	write(t, h, 0, "lost")
	f.Fail(func(op crashfs.Op) error {
		if op.Kind == crashfs.Sync {
			return syscall.EIO
		}
		return nil
	})
	if err := h.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v", err)
	}
	f.Fail(nil)
	must(t, h.Sync())
	if got := content(t, f, "/a"); got != "lost" {
		t.Errorf("readers no longer see it: %q", got)
	}
	if got := content(t, f.PowerCut(crashfs.KeepAll, seeded(1)), "/a"); got != "" {
		t.Errorf("a second sync saved what the first one lost: %q", got)
	}
}

func TestCapacity(t *testing.T) {
	f := crashfs.New()
	f.Capacity(10)
	h := create(t, f, "/a")
	if err := h.WritevAt([][]byte{make([]byte, 11)}, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if size, _ := h.Size(); size != 0 {
		t.Errorf("a refused write left %d bytes", size)
	}
	must(t, h.Allocate(10))
	write(t, h, 0, "0123456789")
	if err := h.Allocate(11); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	must(t, f.Remove("/a"))
	write(t, create(t, f, "/b"), 0, "0123456789")
}

func TestCrashAtStopsEverything(t *testing.T) {
	f := crashfs.New()
	h := create(t, f, "/a") // step 1
	f.CrashAt(3)
	write(t, h, 0, "one")
	if err := h.WritevAt([][]byte{[]byte("two")}, 3); !errors.Is(err, crashfs.ErrCrashed) {
		t.Errorf("got %v", err)
	}
	if _, err := f.ReadDir("/"); !errors.Is(err, crashfs.ErrCrashed) {
		t.Errorf("got %v", err)
	}
	if got := content(t, f.PowerCut(crashfs.KeepAll, seeded(1)), "/a"); got != "onetwo" {
		t.Errorf("the last step must be able to happen: %q", got)
	}
}

func TestLinkIsTwoNamesOfOneFile(t *testing.T) {
	f := crashfs.New()
	f.Capacity(100)
	h := create(t, f, "/a")
	write(t, h, 0, "content")
	must(t, h.Sync())
	must(t, f.Mkdir("/d", 0o755))
	must(t, f.Link("/a", "/d/b"))
	if err := f.Link("/a", "/d/b"); !errors.Is(err, os.ErrExist) {
		t.Errorf("linked over a file: %v", err)
	}
	if err := f.Link("/missing", "/c"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("linked what is not there: %v", err)
	}
	must(t, f.SyncDir("/"))
	must(t, f.Remove("/a"))
	if got := content(t, f, "/d/b"); got != "content" {
		t.Errorf("got %q", got)
	}
	after := f.PowerCut(crashfs.LoseAll, seeded(1))
	if a, b := content(t, after, "/a"), content(t, after, "/d/b"); a != "content" || b != "(missing)" {
		t.Errorf("names were not synced, got %q and %q", a, b)
	}
}

// TestRenameIntoAnotherDirectory has power cuts leave the old name, the new one or
// both, and never none.
func TestRenameIntoAnotherDirectory(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *crashfs.FS) *crashfs.FS{
		"not synced":              func(_ *testing.T, f *crashfs.FS) *crashfs.FS { return f },
		"old directory is synced": func(t *testing.T, f *crashfs.FS) *crashfs.FS { must(t, f.SyncDir("/old")); return f },
		"new directory is synced": func(t *testing.T, f *crashfs.FS) *crashfs.FS { must(t, f.SyncDir("/new")); return f },
		"killed before":           func(_ *testing.T, f *crashfs.FS) *crashfs.FS { return f.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]int{}
			for seed := range uint64(100) {
				f := crashfs.New()
				must(t, f.Mkdir("/old", 0o755))
				must(t, f.Mkdir("/new", 0o755))
				h := create(t, f, "/old/a")
				write(t, h, 0, "content")
				must(t, h.Sync())
				must(t, f.SyncDir("/"))
				must(t, f.SyncDir("/old"))
				must(t, f.Rename("/old/a", "/new/b"))
				after := before(t, f).PowerCut(crashfs.Scramble, seeded(seed))
				seen[content(t, after, "/old/a")+" "+content(t, after, "/new/b")]++
			}
			want := []string{"(missing) content", "content (missing)", "content content"}
			switch name {
			case "old directory is synced":
				want = want[:1]
			case "new directory is synced":
				want = []string{"(missing) content", "content content"}
			}
			if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
				t.Errorf("old and new name: got %v, want %q", seen, want)
			}
		})
	}
}
