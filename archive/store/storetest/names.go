package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"appliance/archive/store"
)

func testReplace(t *testing.T, s store.Store) {
	must(t, s.Replace(t.Context(), "a/catalog", []byte("first")))
	holds(t, s, "a/catalog", []byte("first"))
	must(t, s.Replace(t.Context(), "a/catalog", nil))
	holds(t, s, "a/catalog", nil)
	must(t, s.Replace(t.Context(), "a/catalog", content(3<<20, 1)))
	holds(t, s, "a/catalog", content(3<<20, 1))
	put(t, s, "a/object", []byte("put"))
	must(t, s.Replace(t.Context(), "a/object", []byte("replaced")))
	holds(t, s, "a/object", []byte("replaced"))

	// Who has it open reads the old version, or is told.
	old, err := s.Open(t.Context(), "a/object")
	must(t, err)
	defer func() { must(t, old.Close()) }()
	must(t, s.Replace(t.Context(), "a/object", []byte("REPLACED")))
	p := make([]byte, 8)
	if n, err := old.ReadAt(p, 0); !errors.Is(err, store.ErrReplaced) && string(p[:n]) != "replaced" {
		t.Errorf("read %q, %v", p[:n], err)
	}
	lists(t, s, "a", store.Entry{Name: "catalog", Size: 3 << 20}, store.Entry{Name: "object", Size: 8})
}

// Readers find one of the values whole, whatever the writers do.
func testReplaceRace(t *testing.T, s store.Store) {
	const writers, rounds, size = 4, 20, 10_000
	value := func(i int) []byte { return []byte(strings.Repeat(string(rune('a'+i)), size)) }
	must(t, s.Replace(t.Context(), "catalog", value(0)))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range rounds {
				if err := s.Replace(t.Context(), "catalog", value(w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	defer wg.Wait()
	for {
		got, err := store.ReadFile(t.Context(), s, "catalog", size)
		must(t, err)
		if len(got) != size || strings.Count(string(got), string(got[:1])) != size {
			t.Fatalf("read a mixture of %d bytes", len(got))
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func testMissing(t *testing.T, s store.Store) {
	put(t, s, "dir/object", []byte("x"))
	for _, name := range []string{"nothing", "no/such/thing", "dir", "dir/other"} {
		missing(t, s, name)
		must(t, s.Delete(t.Context(), name))
	}
	lists(t, s, "nothing")
	lists(t, s, "dir/object")
	if _, err := store.ReadFile(t.Context(), s, "dir/object", 0); err == nil {
		t.Error("a file above the limit was read")
	}
	holds(t, s, "dir/object", []byte("x"))
}

func testList(t *testing.T, s store.Store) {
	lists(t, s, ".")
	for _, name := range []string{"b/2/meta.json", "b/1/meta.json", "b/1/data.parquet", "a", "b-c", "b.json", "c/1/x", "b0"} {
		put(t, s, name, []byte(name))
	}
	lists(t, s, ".", store.Entry{Name: "a", Size: 1}, store.Entry{Name: "b-c", Size: 3}, store.Entry{Name: "b.json", Size: 6},
		store.Entry{Name: "b", Dir: true}, store.Entry{Name: "b0", Size: 2}, store.Entry{Name: "c", Dir: true})
	lists(t, s, "b", store.Entry{Name: "1", Dir: true}, store.Entry{Name: "2", Dir: true})
	lists(t, s, "b/1", store.Entry{Name: "data.parquet", Size: 16}, store.Entry{Name: "meta.json", Size: 13})
	for e, err := range s.List(t.Context(), ".") {
		must(t, err)
		if e.Name == "b-c" {
			break
		}
	}
}

// More entries than any page holds, files and directories mixed.
func testListMany(t *testing.T, s store.Store) {
	const n = 2300
	var want []store.Entry
	names := make(chan string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for name := range names {
				if _, err := s.Put(t.Context(), name, source([]byte("x")), 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		e := store.Entry{Name: fmt.Sprintf("%05d", i*7919%n), Size: 1}
		name := "many/" + e.Name
		if i%3 == 0 {
			e.Dir, e.Size = true, 0
			name += "/object"
		}
		names <- name
		want = append(want, e)
	}
	close(names)
	wg.Wait()
	slices.SortFunc(want, func(a, b store.Entry) int { return cmp.Compare(a.Name, b.Name) })
	lists(t, s, "many", want...)
}

func testDelete(t *testing.T, s store.Store) {
	put(t, s, "t/b1/meta.json", []byte("1"))
	put(t, s, "t/b1/data", []byte("2"))
	put(t, s, "t/b2/meta.json", []byte("3"))
	must(t, s.Delete(t.Context(), "t/b1/meta.json"))
	missing(t, s, "t/b1/meta.json")
	must(t, s.Delete(t.Context(), "t/b1/meta.json"))
	holds(t, s, "t/b1/data", []byte("2"))
	must(t, s.Delete(t.Context(), "t/b1/data"))
	lists(t, s, "t", store.Entry{Name: "b2", Dir: true})
	must(t, s.Delete(t.Context(), "t/b2/meta.json"))
	lists(t, s, ".")
	put(t, s, "t/b1/meta.json", []byte("again"))
	holds(t, s, "t/b1/meta.json", []byte("again"))
	// What would be its directory is an object, which has to stay.
	must(t, s.Delete(t.Context(), "t/b1/meta.json/x"))
	holds(t, s, "t/b1/meta.json", []byte("again"))
}

// A directory that one call empties another may be filling.
func testPutBesideDelete(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				name := fmt.Sprintf("t/b/%d-%d", w, i)
				if _, err := s.Put(t.Context(), name, source([]byte("x")), 1); err != nil {
					t.Error(err)
				}
				if err := s.Delete(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	lists(t, s, ".")
}

func testNames(t *testing.T, s store.Store) {
	for _, name := range []string{
		"", ".", "..", "/", "/abs", "a/", "a//b", "a/../b", "./a", "../../etc/passwd", "a\\b", "a\x00b", "a\nb", "é",
		"@staging-x", "a/@staging-x/b", strings.Repeat("x", 256), strings.Repeat("x/", 600) + "x",
	} {
		if _, err := s.Put(t.Context(), name, source(nil), 0); err == nil {
			t.Errorf("put %q was accepted", name)
		}
		if err := s.Replace(t.Context(), name, nil); err == nil {
			t.Errorf("replace %q was accepted", name)
		}
		if _, err := s.Open(t.Context(), name); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("open %q: %v", name, err)
		}
		if err := s.Delete(t.Context(), name); err == nil {
			t.Errorf("delete %q was accepted", name)
		}
		if name == "." {
			continue
		}
		for _, err := range s.List(t.Context(), name) {
			if err == nil {
				t.Errorf("list %q was accepted", name)
			}
		}
	}
	for _, name := range []string{"a b+c%20&d=e?f#g", "~!@$^*()'[]{};:,.<>|\"`", "@catalog", ".team", "...", ".staging-x", strings.Repeat("y", 255)} {
		put(t, s, "odd/"+name, []byte(name))
		holds(t, s, "odd/"+name, []byte(name))
		lists(t, s, "odd", store.Entry{Name: name, Size: int64(len(name))})
		must(t, s.Delete(t.Context(), "odd/"+name))
	}
}

func testSweep(t *testing.T, s store.Store, large int64) {
	put(t, s, "t/b/data", []byte("kept"))
	broken := errors.New("broken")
	size := 3 * large
	read := int64(0)
	failing := readerFunc(func(p []byte) (int, error) {
		if read += int64(len(p)); read > 2*large {
			return 0, broken
		}
		return len(p), nil
	})
	if _, err := s.Put(t.Context(), "t/b/other", failing, size); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context(), 24*time.Hour); n != 0 || err != nil {
		t.Errorf("swept %d young ones, %v", n, err)
	}
	if _, err := s.Sweep(t.Context(), -time.Hour); err != nil { // a server's clock has seconds
		t.Error(err)
	}
	if n, err := s.Sweep(t.Context(), -time.Hour); n != 0 || err != nil {
		t.Errorf("swept %d again, %v", n, err)
	}
	holds(t, s, "t/b/data", []byte("kept"))
	missing(t, s, "t/b/other")
}

func testURL(t *testing.T, s store.Store) {
	put(t, s, "t/b/data", []byte("kept"))
	same, err := store.Open(t.Context(), s.URL(), store.Options{})
	must(t, err)
	defer func() { must(t, same.Close()) }()
	holds(t, same, "t/b/data", []byte("kept"))
	if same.URL() != s.URL() {
		t.Errorf("%s became %s", s.URL(), same.URL())
	}
}
