package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"appliance/archive/store"
)

func testPut(t *testing.T, s store.Store, large int64) {
	for i, size := range []int64{0, 1, 4095, 128 << 10, 512<<10 + 1, large, large + 1, 2*large + 12345} {
		name := fmt.Sprintf("tenant/block-%d/data.parquet", i)
		data := content(size, uint64(i))
		put(t, s, name, data)
		holds(t, s, name, data)
	}
}

func testPutFile(t *testing.T, s store.Store, large int64) {
	data := content(large+999, 7)
	name := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(name, data, 0o600))
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	sum, err := s.Put(t.Context(), "whole", f, int64(len(data)))
	must(t, err)
	if sum != sha256.Sum256(data) {
		t.Error("the sum is of other bytes")
	}
	holds(t, s, "whole", data)

	_, err = f.Seek(1000, io.SeekStart)
	must(t, err)
	_, err = s.Put(t.Context(), "part", f, int64(len(data)-1000))
	must(t, err)
	holds(t, s, "part", data[1000:])

	// The file that is put is not the one that is kept.
	must(t, os.WriteFile(name, content(large, 8), 0o600))
	holds(t, s, "whole", data)
}

func testTaken(t *testing.T, s store.Store, large int64) {
	for i, size := range []int64{10, large + 1} {
		name := fmt.Sprintf("dir/%d", i)
		first := content(size, 1)
		put(t, s, name, first)
		for _, again := range [][]byte{content(size, 2), first, nil} {
			if _, err := s.Put(t.Context(), name, source(again), int64(len(again))); !errors.Is(err, store.ErrExists) {
				t.Errorf("put %d bytes over %d: want ErrExists, got %v", len(again), size, err)
			}
		}
		holds(t, s, name, first)
	}
}

func testWrongSize(t *testing.T, s store.Store, large int64) {
	for _, size := range []int64{1, 100, large, 2 * large} {
		data := content(size, 3)
		if _, err := s.Put(t.Context(), "a/b", source(data[:size-1]), size); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of %d: want ErrUnexpectedEOF, got %v", size-1, size, err)
		}
		missing(t, s, "a/b")
		if _, err := s.Put(t.Context(), "a/b", source(data), size-1); err == nil || errors.Is(err, store.ErrExists) {
			t.Errorf("%d bytes of %d: got %v", size, size-1, err)
		}
		missing(t, s, "a/b")
	}
	lists(t, s, ".")
	put(t, s, "a/b", []byte("the name is free"))
}

func testFailingSource(t *testing.T, s store.Store, large int64) {
	broken := errors.New("the source is broken")
	for _, size := range []int64{100, 3 * large} {
		data := content(size, 4)
		failing := io.MultiReader(bytes.NewReader(data[:size/2]), readerFunc(func([]byte) (int, error) { return 0, broken }))
		if _, err := s.Put(t.Context(), "a/b", failing, size); !errors.Is(err, broken) {
			t.Errorf("want the error of the source, got %v", err)
		}
		missing(t, s, "a/b")
		lists(t, s, ".")
	}
	put(t, s, "a/b", content(3*large, 5))
	holds(t, s, "a/b", content(3*large, 5))
}

// Of several writers of one name exactly one wins, and the object is its own.
func testRace(t *testing.T, s store.Store, large int64) {
	const rounds, writers = 5, 4
	for round := range rounds {
		for _, size := range []int64{1000, large + 1000} {
			name := fmt.Sprintf("race/%d-%d", size, round)
			var wg sync.WaitGroup
			start := make(chan struct{})
			errs := make([]error, writers)
			for w := range writers {
				data := content(size, uint64(w))
				wg.Go(func() {
					<-start
					_, errs[w] = s.Put(t.Context(), name, source(data), size)
				})
			}
			close(start)
			wg.Wait()
			winners := 0
			for w, err := range errs {
				switch {
				case err == nil:
					winners++
					holds(t, s, name, content(size, uint64(w)))
				case !errors.Is(err, store.ErrExists):
					t.Errorf("writer %d: %v", w, err)
				}
			}
			if winners != 1 {
				t.Errorf("%s: %d writers won", name, winners)
			}
		}
	}
}

func testCancel(t *testing.T, s store.Store, large int64) {
	ended := cancelled(t)
	if _, err := s.Put(ended, "a/b", source(nil), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if err := s.Replace(ended, "a/b", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("replace: %v", err)
	}
	if _, err := s.Open(ended, "a/b"); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	missing(t, s, "a/b")
	put(t, s, "c/d", []byte("there"))
	if err := s.Delete(ended, "c/d"); !errors.Is(err, context.Canceled) {
		t.Errorf("delete: %v", err)
	}
	for _, err := range s.List(ended, ".") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("list: %v", err)
		}
	}
	holds(t, s, "c/d", []byte("there"))

	// In the middle: no more is read than what was on its way.
	size := 8 * large
	ctx, cancel := context.WithCancel(t.Context())
	read := int64(0)
	endless := readerFunc(func(p []byte) (int, error) {
		if read += int64(len(p)); read > size/4 {
			cancel()
		}
		return len(p), nil
	})
	if _, err := s.Put(ctx, "a/b", endless, size); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if read > size/2 {
		t.Errorf("%d of %d bytes were read, cancelled after %d", read, size, size/4)
	}
	missing(t, s, "a/b")

	ctx, cancel = context.WithCancel(t.Context())
	o, err := s.Open(ctx, "c/d")
	must(t, err)
	defer o.Close()
	cancel()
	if _, err := o.ReadAt(make([]byte, 3), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if _, err := o.WriteTo(io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("read all: %v", err)
	}
}

// Memory does not grow with the object.
func testMemory(t *testing.T, s store.Store) {
	const size, bound = 256 << 20, 48 << 20
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before, most, seen := stats.HeapAlloc, uint64(0), 0
	look := func(n int) {
		if seen += n; seen >= 8<<20 {
			seen = 0
			runtime.GC()
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapAlloc)
		}
	}
	zeros := readerFunc(func(p []byte) (int, error) { look(len(p)); clear(p); return len(p), nil })
	_, err := s.Put(t.Context(), "big", io.LimitReader(zeros, size), size)
	must(t, err)
	o, err := s.Open(t.Context(), "big")
	must(t, err)
	defer o.Close()
	_, err = o.WriteTo(writerFunc(func(p []byte) (int, error) { look(len(p)); return len(p), nil }))
	must(t, err)
	if most > before+bound {
		t.Errorf("%d MiB of memory for an object of %d MiB, more than %d", (most-before)>>20, size>>20, bound>>20)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
