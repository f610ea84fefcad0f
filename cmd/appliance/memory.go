package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	// ownMemory is what serve needs besides the bytes of the requests it handles: about 10 MiB that the initialisers
	// hold, connections, stacks, 4 MiB of requests to Tempo, 8 MiB of identifiers while a block is compared, or, with a Tempo
	// elsewhere, 4 MiB of traces that are kept apart and 4 MiB of what waits for a tenant of its own. A larger
	// record that is sent, of which there is one at a time, takes what inflight_bytes leaves.
	ownMemory = 36 << 20
	// gcPercent is below Go's default of 100: most of the heap is what the initialisers of the linked packages hold,
	// so that collecting it more often costs little and saves resident memory.
	gcPercent = 25
)

// memoryBound is the bound of our own memory for a budget of receiver.inflight_bytes, in bytes.
func memoryBound(inflight int64) int64 { return ownMemory + inflight }

// limitMemory bounds the heap by the budget of receiver.inflight_bytes: the small buffers of requests are part of it, and those
// that are no longer used shall not add to those that are; the large ones (receiver's pool) are not in the heap. A person's
// GOMEMLIMIT and GOGC count more. It returns the limit in force, in bytes.
func limitMemory(inflight int64) int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryBound(inflight))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return debug.SetMemoryLimit(-1)
}

// memoryText says what bounds our own memory, given the limit in force.
func memoryText(limit, inflight int64) string {
	switch buffers := humanize.IBytes(uint64(inflight)); limit {
	case memoryBound(inflight):
		return fmt.Sprintf("at most %s of heap and request buffers here", humanize.IBytes(uint64(limit)))
	case math.MaxInt64:
		return fmt.Sprintf("no bound of the heap here (GOMEMLIMIT), %s of request buffers", buffers)
	default:
		return fmt.Sprintf("at most %s of heap (GOMEMLIMIT) and %s of request buffers here", humanize.IBytes(uint64(limit)), buffers)
	}
}

// pagesEvery is how often keepPagesFew looks; a release costs some hundred page faults.
const pagesEvery = 500 * time.Millisecond

// keepPagesFew gives back, again and again, the code and read-only data that are not in constant use.
func keepPagesFew(ctx context.Context) error {
	tick := time.NewTicker(pagesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			releasePages()
		}
	}
}
