package tail

import (
	"maps"
	"sync"
	"unsafe"

	"appliance/internal/spool"
)

// RuleCounts is what became of the traces of a rule, by this process.
type RuleCounts struct {
	Traces int64 `json:"traces"`
	Spans  int64 `json:"spans"` // that were there at the verdict
	Left   int64 `json:"left_out"`
}

// Status is how a Line is.
type Status struct {
	Traces      int64                 `json:"undecided_traces"`
	Spans       int64                 `json:"undecided_spans"`
	Verdicts    int64                 `json:"verdicts_remembered"`
	Bytes       int64                 `json:"memory_bytes"` // of both tables
	Early       int64                 `json:"traces_decided_early"`
	Forgotten   int64                 `json:"verdicts_forgotten"`
	Late        int64                 `json:"late_spans"`
	RootMissing int64                 `json:"traces_without_root"`
	Rules       map[string]RuleCounts `json:"rules"` // "" for traces that no rule matched
	LastError   string                `json:"last_error,omitempty"`
}

// counts are read while Run counts.
type counts struct {
	mu             sync.Mutex
	records, spans int64 // undecided
	open, kept     int64 // traces, verdicts
	bytes          int64
	early, forgot  int64
	late, noRoot   int64
	rules          map[string]*RuleCounts
	lastErr        string
}

func (c *counts) observed(spans, late int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records++
	c.spans += spans
	c.late += late
}

func (c *counts) addEarly(n int64)     { c.mu.Lock(); c.early += n; c.mu.Unlock() }
func (c *counts) addForgotten(n int64) { c.mu.Lock(); c.forgot += n; c.mu.Unlock() }

// again is for records that are observed once more.
func (c *counts) again() { c.mu.Lock(); c.records, c.spans = 0, 0; c.mu.Unlock() }

func (c *counts) undecided() spool.Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return spool.Counts{Records: c.records, Spans: c.spans}
}

// passed counts groups that were decided.
func (c *counts) passed(groups []*group, f *frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range groups {
		c.records -= g.records
		c.spans -= g.spans
	}
	for _, t := range f.traces {
		r := c.rule(f.outcomes[t.outcome].rule)
		r.Traces++
		r.Spans += int64(t.spans)
		if t.flags&rootMissing != 0 {
			c.noRoot++
		}
	}
	for _, o := range f.records {
		for _, x := range o.left {
			c.rule(f.outcomes[x.outcome].rule).Left += x.spans
		}
	}
}

func (c *counts) rule(name string) *RuleCounts {
	r := c.rules[name]
	if r == nil {
		r = new(RuleCounts)
		c.rules[name] = r
	}
	return r
}

// setOpen notes how large the tables are.
func (l *Line) setOpen() {
	bytes := l.open.bytes(int(unsafe.Sizeof(trace{}))) + l.late.bytes(int(unsafe.Sizeof(verdictOf{})))
	c := &l.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open, c.kept, c.bytes = int64(l.open.len()), int64(l.late.len()), int64(bytes)
}

// trouble logs what went wrong, and remembers it.
func (l *Line) trouble(what string, err error) {
	l.o.Logger.Error(what, "err", err)
	l.counts.mu.Lock()
	defer l.counts.mu.Unlock()
	l.counts.lastErr = err.Error()
}

// Status is how it is now.
func (l *Line) Status() Status {
	c := &l.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{
		Traces: c.open, Spans: c.spans, Verdicts: c.kept, Bytes: c.bytes, Early: c.early, Forgotten: c.forgot,
		Late: c.late, RootMissing: c.noRoot, Rules: map[string]RuleCounts{}, LastError: c.lastErr,
	}
	maps.Copy(s.Rules, deref(c.rules))
	return s
}

func deref(m map[string]*RuleCounts) map[string]RuleCounts {
	out := make(map[string]RuleCounts, len(m))
	for name, r := range m {
		out[name] = *r
	}
	return out
}
