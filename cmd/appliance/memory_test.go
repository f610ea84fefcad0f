package main

import (
	"math"
	"runtime/debug"
	"testing"
)

// TestLimitMemory holds that the bound of serve's start is the one in force, also when a person has set GOMEMLIMIT.
func TestLimitMemory(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(-1)
	defer func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) }()
	const inflight = 64 << 20
	for name, c := range map[string]struct {
		variable string
		runtime  int64 // what the runtime made of it when the process began
		want     string
	}{
		"ours":       {"", math.MaxInt64, "at most 100 MiB of heap and request buffers here"},
		"GOMEMLIMIT": {"300MiB", 300 << 20, "at most 300 MiB of heap (GOMEMLIMIT) and 64 MiB of request buffers here"},
		"off":        {"off", math.MaxInt64, "no bound of the heap here (GOMEMLIMIT), 64 MiB of request buffers"},
	} {
		t.Setenv("GOMEMLIMIT", c.variable)
		debug.SetMemoryLimit(c.runtime)
		if got := memoryText(limitMemory(inflight), inflight); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
