package traceql

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
)

// SearchOptions bounds a search.
type SearchOptions struct {
	// Start and End bound the traces in Unix nanoseconds: one is in if any
	// part of it is from Start to End, both included. 0 is unbounded.
	Start, End uint64
	// Limit is how many traces are found, the newest by their start. At least 1.
	Limit int
	// SpansPerSet is how many spans of each span set are returned. 0: all.
	SpansPerSet int
	// MinDuration and MaxDuration bound a trace's duration in nanoseconds. 0 is
	// unbounded.
	MinDuration, MaxDuration int64
	// Budget bounds the memory of the traces that are found: where there is no
	// room, older traces are left out.
	Budget *Budget
}

// FoundTrace is a trace that a search has found.
type FoundTrace struct {
	ID                    [16]byte
	RootService, RootName string // empty without a root
	Start                 uint64 // Unix nanoseconds
	Duration              int64  // nanoseconds; negative if the trace ends before it starts
	Services              []Service
	SpanSets              []FoundSpanSet

	held int64 // of the budget
}

// FoundSpanSet is a span set of a FoundTrace.
type FoundSpanSet struct {
	Matched    int // spans, also those that are not returned
	Attributes []NamedValue
	Spans      []FoundSpan
}

// FoundSpan is a span of a FoundSpanSet.
type FoundSpan struct {
	ID         [8]byte
	Name       string // where the query asks for it
	HasName    bool
	Start      uint64 // Unix nanoseconds
	Duration   uint64 // nanoseconds; wraps around if the span ends before it starts
	Attributes []NamedValue
}

// Search runs a query over batches and keeps the newest traces. It may be used
// by several goroutines, each with a batch of its own.
//
// A trace must not be in two batches: its spans are looked at together. Who has
// it in several places makes one batch of them.
type Search struct {
	plan *plan
	opts SearchOptions

	mu      sync.Mutex
	found   foundHeap
	limit   int // of found: less than was asked for where there is no room
	partial Partial
}

// NewSearch compiles a query. Of a metrics query it searches for the spans that
// the metric is computed of.
func NewSearch(q *Query, opts SearchOptions) (*Search, error) {
	opts.Limit = max(opts.Limit, 1)
	p, err := compilePipeline(spansOf(q))
	if err != nil {
		return nil, err
	}
	return &Search{plan: p, opts: opts, limit: opts.Limit}, nil
}

// spansOf is the pipeline of a query, of a metrics query that of its first
// function.
func spansOf(q *Query) *Pipeline {
	if q.Spans != nil {
		return q.Spans
	}
	for x := q.Metric; ; {
		switch m := x.(type) {
		case *Series:
			return m.Spans
		case *Compare:
			return m.Spans
		case *TopK:
			x = m.X
		case *MetricBinary:
			x = m.LHS
			if _, number := x.(*Literal); number {
				x = m.RHS
			}
		default:
			return &Pipeline{}
		}
	}
}

// Fields are the fields that the query names: of attributes, and of events and
// links, a batch need have no others.
func (s *Search) Fields() []Field {
	out := make([]Field, len(s.plan.shown))
	for i := range s.plan.shown {
		out[i] = s.plan.shown[i].field
	}
	return out
}

// Add searches a batch. What is over the budget or the deadline makes the
// answer partial and is not an error.
func (s *Search) Add(ctx context.Context, b Batch) error {
	f, err := s.Find(ctx, b, true)
	if err != nil {
		return err
	}
	return s.AddNewest([]*Finding{f}, nil)
}

// settle remembers an error that makes the answer partial, and returns others.
func (s *Search) settle(err error) error {
	partial, err := partialFor(err)
	if partial != "" {
		s.mu.Lock()
		s.partial = partial
		s.mu.Unlock()
	}
	return err
}

func (s *Search) within(info *traceInfo, trace int) bool {
	start, end := uint64(info.start[trace]), uint64(info.end[trace])
	duration := info.duration(trace)
	switch o := s.opts; {
	case o.End > 0 && start > o.End, o.Start > 0 && end < o.Start:
		return false
	case o.MinDuration > 0 && duration < o.MinDuration:
		return false
	case o.MaxDuration > 0 && duration > o.MaxDuration:
		return false
	}
	return true
}

// wanted says whether a trace of this start would be kept.
func (s *Search) wanted(start uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.found) < s.limit || start >= s.found[0].Start
}

// keep takes a trace into the answer, in the place of older ones where it is full.
func (s *Search) keep(t *FoundTrace) {
	t.detach()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.hasRoom(t) {
		if older(t, s.found[0]) < 0 {
			return
		}
		oldest := heap.Pop(&s.found).(*FoundTrace)
		_ = s.opts.Budget.hold(-oldest.held) // giving back never fails
	}
	heap.Push(&s.found, t)
}

// hasRoom says whether a trace can be kept beside those that are. One can be alone.
func (s *Search) hasRoom(t *FoundTrace) bool {
	if len(s.found) >= s.limit {
		return false
	}
	n := t.weight()
	err := s.opts.Budget.hold(n)
	switch {
	case err == nil:
		t.held = n
	case len(s.found) > 0:
		s.limit, s.partial = len(s.found), Partial(err.Error())
		return false
	}
	return true
}

// Complete says that no trace which starts before a time, in Unix nanoseconds,
// can be in the answer any more: batches with only such traces need not be
// read.
func (s *Search) Complete(before uint64) bool { return !s.wanted(before) }

// Found returns the traces that were found so far, the newest first, and why
// they may not be all.
func (s *Search) Found() ([]*FoundTrace, Partial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.found)
	slices.SortFunc(out, func(a, b *FoundTrace) int { return -older(a, b) })
	return out, s.partial
}

// older orders traces by their start, and by their id where that is equal.
func older(a, b *FoundTrace) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), -bytes.Compare(a.ID[:], b.ID[:]))
}

// foundHeap has the oldest trace first.
type foundHeap []*FoundTrace

func (h foundHeap) Len() int           { return len(h) }
func (h foundHeap) Less(i, j int) bool { return older(h[i], h[j]) < 0 }
func (h foundHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *foundHeap) Push(x any)        { *h = append(*h, x.(*FoundTrace)) }
func (h *foundHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
