package block

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"appliance/internal/block/blocktest"
)

// Several goroutines read what one reads, also where another trace was read before.
func TestTraceInGoroutines(t *testing.T) {
	l := blocktest.NewLoad(5, 13_000)
	var records [][]byte
	for record, n := l.Next(); n > 0; record, n = l.Next() {
		records = append(records, bytes.Clone(record))
	}
	b, _ := built(t, records, BuilderOptions{})
	if c := b.chunk(0, OfSpan.Attr(AttrText)); c.DictionaryRange().Length < besideBytes {
		t.Fatalf("%d bytes are too few for goroutines", c.DictionaryRange().Length)
	}
	left := 10
	for id := range traceIDs(t, b) {
		if left--; left < 0 {
			break
		}
		want, err := b.TraceFields(t.Context(), id, nil, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, goroutines := range []int{2, 100} {
			if got, err := b.TraceFields(t.Context(), id, nil, goroutines, nil); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d goroutines read %d bytes of trace %x, and one %d: %v", goroutines, len(got), id, len(want), err)
			}
		}
	}
}

func TestBeside(t *testing.T) {
	for _, goroutines := range []int{0, 1, 3, 50} {
		var mu sync.Mutex
		var done []int
		beside(20, goroutines, func(i int) {
			mu.Lock()
			defer mu.Unlock()
			done = append(done, i)
		})
		slices.Sort(done)
		if len(done) != 20 || len(slices.Compact(done)) != 20 {
			t.Errorf("%d goroutines did %v", goroutines, done)
		}
	}
	beside(0, 2, func(int) { t.Error("nothing is done") })
}

// A panic in another goroutine would end the process.
func TestBesidePassesPanicsOn(t *testing.T) {
	for _, goroutines := range []int{1, 4} {
		for bad := range 8 {
			func() {
				defer func() {
					if p := recover(); p != "as told" {
						t.Errorf("%d goroutines panicked with %v", goroutines, p)
					}
				}()
				beside(8, goroutines, func(i int) {
					if i == bad {
						panic("as told")
					}
				})
			}()
		}
	}
}
