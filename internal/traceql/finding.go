package traceql

import (
	"context"
	"slices"
)

// Finding are the traces of a batch for which a query is true. What the answer says
// of them is not read yet: with several batches most of it would be of traces that
// newer ones take the place of.
type Finding struct {
	e    *evaluation
	info *traceInfo
	hits hits // that were not looked at
	// spans are, of a query that is one filter, those that it is true for: the hits
	// have no sets then.
	spans *Bitmap
}

// Find evaluates the query for a batch, which must not be closed before the
// Finding was given to AddNewest. Whole says that the batch has all of each trace;
// otherwise the query must be PerSpan. The Finding keeps no column, but for the few
// values that match.
func (s *Search) Find(ctx context.Context, b Batch, whole bool) (*Finding, error) {
	e := newEvaluation(ctx, b)
	info, err := e.traceInfo()
	if err != nil {
		return &Finding{}, s.settle(err)
	}
	f := &Finding{e: e, info: info, hits: hits{budget: s.opts.Budget}}
	f.spans, err = s.plan.hits(e, func(trace int, sets []spanset) error {
		if !whole || s.within(info, trace) {
			f.hits.add(hit{trace, uint64(info.start[trace]), sets}, s.opts.Limit, whole)
		}
		return nil
	})
	if err == nil {
		err = f.hits.short
	}
	f.hits.sort()
	e.forget()
	return f, s.settle(err)
}

// Complete is called with a trace that was found, and when its spans in the batch
// start and end, in Unix nanoseconds. It says whether the batch has all of the trace.
// Of other traces nothing is kept: they are to be added as wholes.
type Complete func(id [16]byte, start, end uint64) (bool, error)

// AddNewest keeps the newest traces of all findings, which are used up. Complete is
// nil where the batches have whole traces. Errors are those of Add.
func (s *Search) AddNewest(found []*Finding, complete Complete) error {
	defer func() {
		for _, f := range found {
			f.hits.done()
		}
	}()
	for {
		from, some := s.newest(found)
		if !some {
			return nil
		}
		for _, f := range found {
			if err := s.addFrom(f, from, complete); err != nil {
				return s.settle(err)
			}
		}
	}
}

// newest is when the last of as many traces as are kept starts, of those that were
// not looked at and are still wanted.
func (s *Search) newest(found []*Finding) (from uint64, some bool) {
	var starts []uint64
	for _, f := range found {
		for _, h := range f.hits.first(s.opts.Limit) {
			if !s.wanted(h.start) {
				break
			}
			starts = append(starts, h.start)
		}
	}
	if len(starts) == 0 {
		return 0, false
	}
	slices.Sort(starts)
	return starts[max(0, len(starts)-s.opts.Limit)], true
}

// addFrom looks at the traces of a finding that start at a time or later.
func (s *Search) addFrom(f *Finding, from uint64, complete Complete) error {
	hits := f.hits.since(from)
	for i, h := range hits {
		f.hits.drop(h)
		if !s.wanted(h.start) {
			break
		}
		if err := f.e.ctx.Err(); err != nil {
			return err
		}
		if i == 0 {
			if err := f.e.narrowTo(hits); err != nil {
				return err
			}
		}
		whole, err := f.complete(h, complete)
		if err != nil {
			return err
		}
		if !whole || !s.within(f.info, h.trace) {
			continue
		}
		if f.spans != nil {
			h.sets = []spanset{{spans: f.spansOf(h.trace)}}
		}
		t, err := s.build(f.e, f.info, h)
		if err != nil {
			return err
		}
		s.keep(t)
	}
	return nil
}

// spansOf are the spans of a trace that the query is true for.
func (f *Finding) spansOf(trace int) []uint32 {
	o := f.e.ranges[LevelTrace] // were read to find it
	return members(f.spans, o[trace], o[trace+1])
}

func (f *Finding) complete(h hit, complete Complete) (bool, error) {
	if complete == nil {
		return true, nil
	}
	var id [16]byte
	if err := f.e.identifier(IntrinsicTraceID, h.trace, id[:]); err != nil {
		return false, err
	}
	return complete(id, h.start, uint64(f.info.end[h.trace]))
}
