package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"appliance/archive/store"
	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// Larger than a buffer, so that it is written in several steps.
var crashContent = random(store.BufferSize + 5000)

func random(size int) []byte {
	rng := rand.New(rand.NewPCG(uint64(size), 1))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// everyCrash prepares a store, changes it, crashes at each step of that in every
// mode, and checks what the next life finds.
func everyCrash(t *testing.T, prepare, change func(store.Store) error, check func(t *testing.T, after store.Store, done bool)) {
	t.Helper()
	begin := func() (*crashfs.FS, store.Store) {
		f := crashfs.New()
		s := store.OnFS(f, store.Options{})
		if err := prepare(s); err != nil {
			t.Fatal(err)
		}
		return f, s
	}
	f, s := begin()
	before := f.Steps()
	if err := change(s); err != nil {
		t.Fatal(err)
	}
	steps := f.Steps() - before
	if steps == 0 {
		t.Fatal("nothing was done")
	}
	for step := 1; step <= steps+1; step++ {
		for mode, next := range map[string]func(*crashfs.FS) *crashfs.FS{
			"kill":     (*crashfs.FS).Kill,
			"lose all": cut(crashfs.LoseAll, 0), "keep all": cut(crashfs.KeepAll, 0),
			"scramble 1": cut(crashfs.Scramble, 1), "scramble 2": cut(crashfs.Scramble, 2), "scramble 3": cut(crashfs.Scramble, 3),
			"garbage 1": cut(crashfs.Garbage, 1), "garbage 2": cut(crashfs.Garbage, 2), "garbage 3": cut(crashfs.Garbage, 3),
		} {
			f, s := begin()
			f.CrashAt(before + step)
			err := change(s)
			t.Run(fmt.Sprintf("step=%d,%s", step, mode), func(t *testing.T) {
				check(t, store.OnFS(next(f), store.Options{}), err == nil)
			})
		}
	}
}

func cut(mode crashfs.Mode, seed uint64) func(*crashfs.FS) *crashfs.FS {
	return func(f *crashfs.FS) *crashfs.FS { return f.PowerCut(mode, rand.New(rand.NewPCG(seed, 7))) }
}

// state is the content of an object, or "(missing)".
func state(t *testing.T, s store.Store, name string) string {
	t.Helper()
	b, err := store.ReadFile(t.Context(), s, name, 1<<30)
	if errors.Is(err, store.ErrNotExist) {
		return "(missing)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// swept checks that Sweep leaves nothing but what can be listed.
func swept(t *testing.T, s store.Store) {
	t.Helper()
	if _, err := s.Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("swept %d again, %v", n, err)
	}
}

func TestPutSurvivesEachCrash(t *testing.T) {
	put := func(s store.Store) error {
		_, err := s.Put(t.Context(), "tenant/block/data.parquet", bytes.NewReader(crashContent), int64(len(crashContent)))
		return err
	}
	everyCrash(t,
		func(store.Store) error { return nil },
		put,
		func(t *testing.T, after store.Store, done bool) {
			got := state(t, after, "tenant/block/data.parquet")
			if got != string(crashContent) && (done || got != "(missing)") {
				t.Fatalf("done %v, %d bytes are there: %.20q", done, len(got), got)
			}
			for e, err := range after.List(t.Context(), ".") {
				if err != nil || e.Name != "tenant" {
					t.Errorf("listed %v, %v", e, err)
				}
			}
			swept(t, after)
			// The next life finds it, or puts it again.
			if err := put(after); (got != "(missing)") != errors.Is(err, store.ErrExists) || got == "(missing)" && err != nil {
				t.Errorf("it was %.9s, and putting it gave %v", got, err)
			}
			if state(t, after, "tenant/block/data.parquet") != string(crashContent) {
				t.Error("it cannot be put again")
			}
		})
}

func TestReplaceSurvivesEachCrash(t *testing.T) {
	old := strings.Repeat("old", 1000)
	everyCrash(t,
		func(s store.Store) error { return s.Replace(t.Context(), "catalog", []byte(old)) },
		func(s store.Store) error { return s.Replace(t.Context(), "catalog", crashContent) },
		func(t *testing.T, after store.Store, done bool) {
			got := state(t, after, "catalog")
			if got != string(crashContent) && (done || got != old) {
				t.Fatalf("done %v, %d bytes are there: %.20q", done, len(got), got)
			}
			swept(t, after)
		})
}

func TestDeleteSurvivesEachCrash(t *testing.T) {
	everyCrash(t,
		func(s store.Store) error {
			_, err := s.Put(t.Context(), "t/b/a", strings.NewReader("content"), 7)
			return err
		},
		func(s store.Store) error { return s.Delete(t.Context(), "t/b/a") },
		func(t *testing.T, after store.Store, done bool) {
			got := state(t, after, "t/b/a")
			if got != "content" && got != "(missing)" || done && got != "(missing)" {
				t.Fatalf("done %v, there is %q", done, got)
			}
			if err := after.Delete(t.Context(), "t/b/a"); err != nil {
				t.Fatal(err)
			}
			if got := state(t, after, "t/b/a"); got != "(missing)" {
				t.Errorf("there is %q", got)
			}
		})
}

// ErrExists is said of what a power cut leaves there.
func TestTakenNameIsDurable(t *testing.T) {
	f := crashfs.New()
	s := store.OnFS(f, store.Options{})
	// Another process has given the name, and has not synced the directories yet.
	for _, err := range []error{f.Mkdir("t", 0o755), f.Mkdir("t/b", 0o755), durable.WriteFile(f, "staged", []byte("content"), 0o644), f.Link("staged", "t/b/a")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(t.Context(), "t/b/a", strings.NewReader("other"), 5); !errors.Is(err, store.ErrExists) {
		t.Fatal(err)
	}
	if got := state(t, store.OnFS(cut(crashfs.LoseAll, 0)(f), store.Options{}), "t/b/a"); got != "content" {
		t.Errorf("there is %q", got)
	}
}

// An error at any step leaves nothing behind, in sight or out of it.
func TestErrorAtEachStep(t *testing.T) {
	put := func(s store.Store) error {
		_, err := s.Put(t.Context(), "t/b/a", bytes.NewReader(crashContent), int64(len(crashContent)))
		return err
	}
	clean := crashfs.New()
	if err := put(store.OnFS(clean, store.Options{})); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO, syscall.EDQUOT, syscall.EROFS, syscall.EACCES} {
		for step := 1; step <= clean.Steps(); step++ {
			f := crashfs.New()
			s := store.OnFS(f, store.Options{})
			var hit crashfs.Kind
			f.Fail(func(op crashfs.Op) error {
				if op.Step == step {
					hit = op.Kind
					return fault
				}
				return nil
			})
			err := put(s)
			f.Fail(nil)
			if hit == crashfs.Remove && err == nil {
				continue // of the second name of what is there; Sweep removes it
			}
			if !errors.Is(err, fault) {
				t.Fatalf("step %d, %s: %v", step, hit, err)
			}
			if full := fault == syscall.ENOSPC || fault == syscall.EDQUOT; full != errors.Is(err, store.ErrFull) {
				t.Errorf("step %d: %v", step, err)
			}
			if denied := errors.Is(fault, fs.ErrPermission) || fault == syscall.EROFS; denied != errors.Is(err, store.ErrDenied) {
				t.Errorf("step %d: %v", step, err)
			}
			if got := state(t, s, "t/b/a"); got != "(missing)" {
				t.Errorf("step %d, %s: %d bytes are visible", step, hit, len(got))
			}
			if n, err := s.Sweep(t.Context(), 0); n != 0 || err != nil {
				t.Errorf("step %d, %s: %d staging files were left, %v", step, hit, n, err)
			}
			if err := put(s); err != nil {
				t.Errorf("step %d, %s: putting it again: %v", step, hit, err)
			}
		}
	}
}

// A full disk shows before the bytes are copied, and all of its space comes back.
func TestFullDisk(t *testing.T) {
	f := crashfs.New()
	f.Capacity(1 << 20)
	s := store.OnFS(f, store.Options{})
	read := 0
	source := readerFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil })
	if _, err := s.Put(t.Context(), "a", source, 2<<20); !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	if read > 0 {
		t.Errorf("%d bytes were read", read)
	}
	if _, err := s.Put(t.Context(), "a", source, 1<<20); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Fatalf("an endless source: %v", err)
	}
	if err := s.Replace(t.Context(), "a", make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "a", make([]byte, 10)); !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	if got := state(t, s, "a"); len(got) != 1<<20 {
		t.Errorf("%d bytes are left of the old object", len(got))
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
