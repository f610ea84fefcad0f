package tempoapp

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"appliance/internal/tempo"
)

const (
	heapEvery  = 50 * time.Millisecond
	staleFirst = 150 * time.Millisecond // after it a heap that was full is collected, since the parent may be waiting for room
	staleMost  = 2 * time.Second        // the same where collecting did not help
)

// reportHeap tells the parent how much memory was in use after each collection, which the size of the process does not. Who has written a
// block allocates little, and would collect late what that took; the parent sends nothing until then.
func reportHeap(w io.Writer) {
	full := uint64(debug.SetMemoryLimit(-1) / 2)
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	var live, cycles uint64
	changed, stale := time.Now(), staleFirst
	for now := range time.Tick(heapEvery) {
		metrics.Read(sample)
		if n := sample[1].Value.Uint64(); n != cycles {
			cycles, changed = n, now
			live = sample[0].Value.Uint64()
			fmt.Fprintf(w, "%s%d\n", tempo.LiveHeapPrefix, live)
			if live <= full {
				stale = staleFirst
			}
		} else if live > full && now.Sub(changed) > stale {
			stale = min(2*stale, staleMost)
			runtime.GC()
		}
	}
}
