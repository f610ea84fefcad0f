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
}

// FoundTrace is a trace that a search has found.
type FoundTrace struct {
	ID                    [16]byte
	RootService, RootName string // empty without a root
	Start                 uint64 // Unix nanoseconds
	Duration              int64  // nanoseconds; negative if the trace ends before it starts
	Services              []Service
	SpanSets              []FoundSpanSet
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
	return &Search{plan: p, opts: opts}, nil
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
	return s.settle(s.add(newEvaluation(ctx, b)))
}

// AddParts searches a batch that may have only a part of a trace; the query must
// be PerSpan. Complete is called with each trace that is found, the newest first,
// and when its spans in the batch start and end. It says whether the batch has
// all of the trace. Of other traces nothing is kept: they are to be added as
// wholes.
func (s *Search) AddParts(
	ctx context.Context, b Batch, complete func(id [16]byte, start, end uint64) (bool, error),
) error {
	return s.settle(s.addParts(newEvaluation(ctx, b), complete))
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

func (s *Search) add(e *evaluation) error {
	info, hits, err := s.hits(e, s.within)
	if err != nil && len(hits) == 0 {
		return err
	}
	hits = hits[:min(len(hits), s.opts.Limit)]
	for i, h := range hits {
		if !s.wanted(h.start) {
			break
		}
		if i == 0 {
			if err := e.narrowTo(hits); err != nil {
				return err
			}
		}
		t, buildErr := s.build(e, info, h)
		if buildErr != nil {
			return buildErr
		}
		s.keep(t)
	}
	return err
}

func (s *Search) addParts(e *evaluation, complete func(id [16]byte, start, end uint64) (bool, error)) error {
	info, hits, err := s.hits(e, nil)
	if err != nil {
		return err
	}
	for i, h := range hits {
		if !s.wanted(h.start) {
			break
		}
		if i%s.opts.Limit == 0 {
			if err := e.narrowTo(hits[i:min(i+s.opts.Limit, len(hits))]); err != nil {
				return err
			}
		}
		var id [16]byte
		if err := e.identifier(IntrinsicTraceID, h.trace, id[:]); err != nil {
			return err
		}
		whole, err := complete(id, h.start, uint64(info.end[h.trace]))
		if err != nil {
			return err
		}
		if !whole || !s.within(info, h.trace) {
			continue
		}
		t, err := s.build(e, info, h)
		if err != nil {
			return err
		}
		s.keep(t)
	}
	return nil
}

// hits are the traces for which the query is true, the newest first. After an
// error they are those that were found before.
func (s *Search) hits(e *evaluation, within func(*traceInfo, int) bool) (*traceInfo, []hit, error) {
	info, err := e.traceInfo()
	if err != nil {
		return nil, nil, err
	}
	var hits []hit
	err = s.plan.run(e, func(trace int, sets []spanset) error {
		if within == nil || within(info, trace) {
			hits = append(hits, hit{trace, uint64(info.start[trace]), sets})
		}
		return nil
	})
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.start, a.start), cmp.Compare(a.trace, b.trace))
	})
	return info, hits, err
}

type hit struct {
	trace int
	start uint64
	sets  []spanset
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
	return len(s.found) < s.opts.Limit || start >= s.found[0].Start
}

func (s *Search) keep(t *FoundTrace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	heap.Push(&s.found, t)
	if len(s.found) > s.opts.Limit {
		heap.Pop(&s.found)
	}
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
