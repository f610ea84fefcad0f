package serve

import (
	"math"
	"runtime/debug"
	"testing"
)

// TestLimitMemory holds that the bound of serve's start is the one in force,
// also when a person has set GOMEMLIMIT.
func TestLimitMemory(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(-1)
	defer func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) }()
	const bound, inflight = 450 << 20, 64 << 20
	for name, c := range map[string]struct {
		variable string
		runtime  int64 // what the runtime made of it when the process began
		bound    int64
		want     string
	}{
		"ours":       {"", math.MaxInt64, bound, "at most 450 MiB, 64 MiB of it for request buffers"},
		"none":       {"", math.MaxInt64, 0, "no limit (memory_limit), 64 MiB of request buffers"},
		"GOMEMLIMIT": {"300MiB", 300 << 20, bound, "at most 300 MiB of heap (GOMEMLIMIT) and 64 MiB of request buffers"},
		"off":        {"off", math.MaxInt64, bound, "no limit (memory_limit), 64 MiB of request buffers"},
	} {
		t.Setenv("GOMEMLIMIT", c.variable)
		debug.SetMemoryLimit(c.runtime)
		if got := memoryText(c.bound, inflight, limitMemory(c.bound, inflight)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestQueryMemory(t *testing.T) {
	for bound, want := range map[int64]int64{0: 128 << 20, 64 << 20: 32 << 20, 400 << 20: 100 << 20, 8 << 30: 128 << 20} {
		if got := queryMemory(bound); got != want {
			t.Errorf("of %d bytes a query may hold %d, expected %d", bound, got, want)
		}
		if got := traceMemory(bound); got > bound/2 || got > 768<<20 || bound > 0 && got == 0 {
			t.Errorf("of %d bytes a trace may take %d", bound, got)
		}
	}
}
