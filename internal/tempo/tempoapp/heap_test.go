package tempoapp

import (
	"bufio"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"appliance/internal/tempo"
)

// The parent sends nothing while the heap is full, and then nothing is allocated that would bring a collection.
func TestFullHeapIsCollected(t *testing.T) {
	const limit, held = 128 << 20, 96 << 20
	old := debug.SetMemoryLimit(limit)
	t.Cleanup(func() { debug.SetMemoryLimit(old) })
	r, w := io.Pipe()
	go reportHeap(w)
	told := make(chan int64, 1000)
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			n, err := strconv.ParseInt(strings.TrimPrefix(lines.Text(), tempo.LiveHeapPrefix), 10, 64)
			if err != nil {
				t.Errorf("%q: %v", lines.Text(), err)
			}
			told <- n
		}
	}()
	await := func(what string, is func(live int64) bool) {
		t.Helper()
		for patience := time.After(30 * time.Second); ; {
			select {
			case live := <-told:
				if is(live) {
					return
				}
			case <-patience:
				t.Fatalf("no report of %s", what)
			}
		}
	}

	block := make([]byte, held)
	runtime.GC()
	await("what is held", func(live int64) bool { return live > held })
	runtime.KeepAlive(block)
	await("less", func(live int64) bool { return live < limit/2 })
}
