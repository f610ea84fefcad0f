package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"appliance/archive/store"
)

// An Opener gives an empty store, which the test's end closes.
type Opener func(t *testing.T) store.Store

// Run runs the suite. Large is the size in bytes of what the store treats as a large
// object; 0 if it knows no difference.
func Run(t *testing.T, open Opener, large int64) {
	large = max(large, 1<<20)
	for name, test := range map[string]func(*testing.T, store.Store){
		"put and read":            func(t *testing.T, s store.Store) { testPut(t, s, large) },
		"put a file":              func(t *testing.T, s store.Store) { testPutFile(t, s, large) },
		"a taken name":            func(t *testing.T, s store.Store) { testTaken(t, s, large) },
		"a source of wrong size":  func(t *testing.T, s store.Store) { testWrongSize(t, s, large) },
		"a source that fails":     func(t *testing.T, s store.Store) { testFailingSource(t, s, large) },
		"two writers of one name": func(t *testing.T, s store.Store) { testRace(t, s, large) },
		"cancelled":               func(t *testing.T, s store.Store) { testCancel(t, s, large) },
		"memory":                  testMemory,
		"replace":                 testReplace,
		"replace at once":         testReplaceRace,
		"missing":                 testMissing,
		"list":                    testList,
		"list much":               testListMany,
		"delete":                  testDelete,
		"put beside delete":       testPutBesideDelete,
		"names":                   testNames,
		"sweep":                   func(t *testing.T, s store.Store) { testSweep(t, s, large) },
		"url":                     testURL,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// content is size bytes that nothing compresses, always the same for one seed.
func content(size int64, seed uint64) []byte {
	b := make([]byte, size)
	_, _ = io.ReadFull(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}), b)
	return b
}

// source hides what else a reader is.
func source(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} }

func put(t *testing.T, s store.Store, name string, data []byte) {
	t.Helper()
	sum, err := s.Put(t.Context(), name, source(data), int64(len(data)))
	must(t, err)
	if sum != sha256.Sum256(data) {
		t.Fatalf("put %s: the sum is of other bytes", name)
	}
}

// holds checks that an object is there with that content, read in each way.
func holds(t *testing.T, s store.Store, name string, want []byte) {
	t.Helper()
	o, err := s.Open(t.Context(), name)
	must(t, err)
	defer func() { must(t, o.Close()) }()
	if o.Size() != int64(len(want)) {
		t.Fatalf("%s: size %d, want %d", name, o.Size(), len(want))
	}
	var all bytes.Buffer
	if n, err := o.WriteTo(&all); err != nil || n != o.Size() || !bytes.Equal(all.Bytes(), want) {
		t.Fatalf("%s: WriteTo gave %d bytes, %v; equal %v", name, n, err, bytes.Equal(all.Bytes(), want))
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		off := rng.Int64N(o.Size() + 1)
		p := make([]byte, rng.Int64N(min(o.Size(), 300<<10)+10))
		n, err := o.ReadAt(p, off)
		rest := want[off:]
		if !bytes.Equal(p[:n], rest[:min(len(p), len(rest))]) {
			t.Fatalf("%s: ReadAt(%d bytes, %d) gave %d other bytes, %v", name, len(p), off, n, err)
		}
		if short := len(rest) < len(p); short && err != io.EOF || !short && err != nil && err != io.EOF {
			t.Fatalf("%s: ReadAt(%d bytes, %d) of %d: %v", name, len(p), off, o.Size(), err)
		}
	}
}

// missing checks that there is no such object, in no way.
func missing(t *testing.T, s store.Store, name string) {
	t.Helper()
	if o, err := s.Open(t.Context(), name); !errors.Is(err, store.ErrNotExist) {
		t.Fatalf("open %s: want ErrNotExist, got %v, %v", name, o, err)
	}
}

func list(t *testing.T, s store.Store, dir string) []store.Entry {
	t.Helper()
	var got []store.Entry
	for e, err := range s.List(t.Context(), dir) {
		must(t, err)
		got = append(got, e)
	}
	return got
}

func lists(t *testing.T, s store.Store, dir string, want ...store.Entry) {
	t.Helper()
	if got := list(t, s, dir); !slices.Equal(got, want) {
		t.Fatalf("list %s: got %v, want %v", dir, got, want)
	}
}

// readerFunc is a source that does something at each read.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
