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
	heapEvery = 50 * time.Millisecond
	staleHeap = time.Second // after it a heap that was full is collected, since the parent may be waiting for room
)

// reportHeap tells the parent how much memory was in use after each collection, which the size of the process does not.
func reportHeap(w io.Writer) {
	full := uint64(debug.SetMemoryLimit(-1) / 3)
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	var live, cycles uint64
	changed := time.Now()
	for now := range time.Tick(heapEvery) {
		metrics.Read(sample)
		if n := sample[1].Value.Uint64(); n != cycles {
			cycles, changed = n, now
			live = sample[0].Value.Uint64()
			fmt.Fprintf(w, "%s%d\n", tempo.LiveHeapPrefix, live)
		} else if live > full && now.Sub(changed) > staleHeap {
			runtime.GC()
		}
	}
}
