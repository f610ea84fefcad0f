package serve

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"

	"appliance/internal/config"
)

const (
	// gcPercent is below Go's default of 100: what lives for long is little, and
	// what a block or a query takes is given back sooner.
	gcPercent = 50
	// heapShare of the memory limit is for the heap and the buffers of requests.
	// The rest is for what a block and a merge are made in, which is outside of
	// the heap (block.Memory), for stacks, code, and what the kernel counts for us.
	heapShare = 0.6
	// leastHeap is the heap with which everything works, though slowly.
	leastHeap = 48 << 20
	// tight is below which blocks are made and merged one at a time, in bytes: the
	// two take up to 150 MB each while clients send what they can.
	tight = 1 << 30
)

// memoryBound is what may be taken in all, in bytes: memory_limit, or what the
// cgroup allows. 0: nothing says.
func memoryBound(conf config.Loaded) int64 {
	if conf.MemoryLimit != 0 {
		return int64(conf.MemoryLimit)
	}
	limit, err := memlimit.FromCgroup()
	if err != nil || limit > math.MaxInt64/2 {
		return 0 // none, or one too large to matter
	}
	return int64(limit)
}

// isTight says that there is little memory, given its bound.
func isTight(bound int64) bool { return bound != 0 && bound < tight }

// heapBound is the bound of the heap, in bytes: the large buffers of requests
// are outside of it.
func heapBound(bound, inflight int64) int64 {
	if bound == 0 {
		return math.MaxInt64
	}
	return max(int64(float64(bound)*heapShare)-inflight, leastHeap)
}

// queryMemory is what a query may hold of what it reads, in bytes. What all queries
// find takes up to three quarters of it besides.
func queryMemory(bound int64) int64 {
	const least, most = 32 << 20, 128 << 20
	if bound == 0 {
		return most
	}
	return min(max(bound/4, least), most)
}

// traceMemory is what a trace by id may take, in bytes; 0 where nothing bounds us.
func traceMemory(bound int64) int64 { return min(bound/2, 768<<20) }

// limitMemory bounds the heap. A person's GOMEMLIMIT and GOGC count more. It
// returns the limit in force, in bytes.
func limitMemory(bound, inflight int64) int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapBound(bound, inflight))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return debug.SetMemoryLimit(-1)
}

// memoryText says what bounds our memory, given the limit of the heap in force.
func memoryText(bound, inflight, heap int64) string {
	buffers := humanize.IBytes(uint64(inflight))
	switch {
	case heap == math.MaxInt64:
		return fmt.Sprintf("no limit (memory_limit), %s of request buffers", buffers)
	case heap == heapBound(bound, inflight):
		return fmt.Sprintf("at most %s, %s of it for request buffers", humanize.IBytes(uint64(bound)), buffers)
	default:
		return fmt.Sprintf("at most %s of heap (GOMEMLIMIT) and %s of request buffers", humanize.IBytes(uint64(heap)), buffers)
	}
}
