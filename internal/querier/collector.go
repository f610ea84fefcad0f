package querier

import (
	"runtime/debug"
	"sync"
)

// collector lets the garbage of queries pile up a little. The process keeps its heap
// small, for its receiver has next to none; a query decodes columns that are tens of
// times as large, and would be interrupted by a collection every few megabytes. The
// memory limit counts as before.
type collector struct {
	mu      sync.Mutex
	running int
	percent int // before the first of the running queries
}

// queryPercent is how much garbage there may be while queries run, in percent of
// what is in use.
const queryPercent = 400

// begin is called before a query, end after it.
func (c *collector) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running++; c.running > 1 {
		return
	}
	if c.percent = debug.SetGCPercent(queryPercent); c.percent > queryPercent || c.percent < 0 {
		debug.SetGCPercent(c.percent) // somebody wants even fewer collections
	}
}

func (c *collector) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running--; c.running == 0 {
		debug.SetGCPercent(c.percent)
	}
}
