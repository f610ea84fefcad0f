package durable_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

const limit = 1 << 20

func read(t *testing.T, fsys durable.FS, name string) string {
	t.Helper()
	b, err := durable.ReadFile(fsys, name, limit)
	if errors.Is(err, os.ErrNotExist) {
		return "(missing)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// everyCrash runs change on what prepare made, crashing at each of its steps in
// every mode, and checks what is left.
func everyCrash(t *testing.T, prepare, change func(durable.FS) error, check func(t *testing.T, after durable.FS, done bool)) {
	t.Helper()
	prepared := func() *crashfs.FS {
		f := crashfs.New()
		must(t, prepare(f))
		return f
	}
	f := prepared()
	before := f.Steps()
	must(t, change(f))
	steps := f.Steps() - before
	if steps == 0 {
		t.Fatal("nothing was done")
	}
	for step := 1; step <= steps+1; step++ {
		for _, mode := range []crashfs.Mode{crashfs.LoseAll, crashfs.KeepAll, crashfs.Scramble, crashfs.Garbage} {
			for seed := range uint64(10) {
				f := prepared()
				f.CrashAt(before + step)
				err := change(f)
				if done := step > steps; done != (err == nil) {
					t.Fatalf("step %d: %v", step, err)
				}
				after := f.PowerCut(mode, rand.New(rand.NewPCG(seed, uint64(step))))
				t.Run(fmt.Sprintf("step=%d,mode=%d,seed=%d", step, mode, seed), func(t *testing.T) {
					check(t, after, err == nil)
				})
			}
		}
	}
}

func TestWriteFileIsAtomic(t *testing.T) {
	everyCrash(t,
		func(f durable.FS) error { return durable.WriteFile(f, "/a", []byte("old"), 0o644) },
		func(f durable.FS) error { return durable.WriteFile(f, "/a", []byte("the new content"), 0o644) },
		func(t *testing.T, after durable.FS, done bool) {
			got := read(t, after, "/a")
			if got != "the new content" && (got != "old" || done) {
				t.Errorf("done %v, got %q", done, got)
			}
			must(t, durable.WriteFile(after, "/a", []byte("next"), 0o644))
			if got := read(t, after, "/a"); got != "next" {
				t.Errorf("got %q", got)
			}
		})
}

func TestMkdirAllIsDurable(t *testing.T) {
	everyCrash(t,
		func(durable.FS) error { return nil },
		func(f durable.FS) error { return durable.MkdirAll(f, "/a/b/c", 0o755) },
		func(t *testing.T, after durable.FS, done bool) {
			if _, err := after.ReadDir("/a/b/c"); done && err != nil {
				t.Error(err)
			}
			must(t, durable.MkdirAll(after, "/a/b/c", 0o755))
		})
}

// An earlier run may have made directories and died before it synced the names.
func TestMkdirAllSyncsWhatItFinds(t *testing.T) {
	for _, made := range []string{"/a", "/a/b", "/a/b/c"} {
		f := crashfs.New()
		for _, d := range []string{"/a", "/a/b", "/a/b/c"} {
			if len(d) <= len(made) {
				must(t, f.Mkdir(d, 0o755))
			}
		}
		must(t, durable.MkdirAll(f, "/a/b/c", 0o755))
		if _, err := f.PowerCut(crashfs.LoseAll, anyRand()).ReadDir("/a/b/c"); err != nil {
			t.Errorf("%s was there: %v", made, err)
		}
	}
}

func anyRand() *rand.Rand { return rand.New(rand.NewPCG(0, 0)) }

func TestRemoveAndRenameAreDurable(t *testing.T) {
	prepare := func(f durable.FS) error {
		return errors.Join(durable.WriteFile(f, "/a", []byte("a"), 0o644),
			durable.MkdirAll(f, "/d", 0o755))
	}
	everyCrash(t, prepare,
		func(f durable.FS) error { return durable.Remove(f, "/a") },
		func(t *testing.T, after durable.FS, done bool) {
			if got := read(t, after, "/a"); done && got != "(missing)" {
				t.Errorf("it is back: %q", got)
			}
			must(t, durable.Remove(after, "/a"))
			must(t, durable.Remove(after, "/a"))
		})
	everyCrash(t, prepare,
		func(f durable.FS) error { return durable.Rename(f, "/a", "/d/b") },
		func(t *testing.T, after durable.FS, done bool) {
			old, moved := read(t, after, "/a"), read(t, after, "/d/b")
			if done && (old != "(missing)" || moved != "a") {
				t.Errorf("done, but old %q, moved %q", old, moved)
			}
		})
}

func TestWriteFileFailing(t *testing.T) {
	for _, kind := range []crashfs.Kind{crashfs.Create, crashfs.Write, crashfs.Sync, crashfs.Rename, crashfs.SyncDir} {
		t.Run(string(kind), func(t *testing.T) {
			f := crashfs.New()
			must(t, durable.WriteFile(f, "/a", []byte("old"), 0o644))
			f.Fail(func(op crashfs.Op) error {
				if op.Kind == kind {
					return syscall.EIO
				}
				return nil
			})
			if err := durable.WriteFile(f, "/a", []byte("new"), 0o644); !errors.Is(err, syscall.EIO) {
				t.Fatalf("got %v", err)
			}
			f.Fail(nil)
			got := read(t, f.PowerCut(crashfs.LoseAll, anyRand()), "/a")
			if got != "old" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestReadFileLimit(t *testing.T) {
	f := crashfs.New()
	must(t, durable.WriteFile(f, "/a", []byte("12345"), 0o644))
	if _, err := durable.ReadFile(f, "/a", 4); err == nil {
		t.Error("a file above the limit was read")
	}
	if got := read(t, f, "/a"); got != "12345" {
		t.Errorf("got %q", got)
	}
}
