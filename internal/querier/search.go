package querier

import (
	"context"
	"fmt"
	"time"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// bounds are the first and the last nanosecond of a range of seconds; 0 is
// unbounded.
func bounds(r readapi.Range) (start, end int64) {
	start = int64(r.Start) * second
	if r.End != 0 {
		end = int64(r.End)*second + second - 1
	}
	return start, end
}

// nearby is how far outside of its range a query looks for parts of the traces
// that are in it.
const nearby = int64(time.Hour)

// scope are the units that a query is about: those within its range, and those
// that may have parts of their traces.
func (r *run) scope(ctx context.Context, start, end int64) (in, near []*unit, err error) {
	all, err := r.withLive(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, err := range r.bad {
		r.loseRecord(err)
	}
	from, to := start, end
	if start != 0 {
		from = max(1, start-nearby)
	}
	if end != 0 {
		to = end + nearby
	}
	for _, u := range all {
		if u.within(start, end) {
			in = append(in, u)
		}
		if u.within(from, to) {
			near = append(near, u)
		}
	}
	return in, near, nil
}

// divide finds which traces of the units of a query are in several places. It
// leaves out units that cannot be read.
func (r *run) divide(ctx context.Context, start, end int64) (*split, []*unit, error) {
	in, near, err := r.scope(ctx, start, end)
	if err != nil || len(in) == 0 {
		return &split{}, nil, err
	}
	var sp *split
	err = r.guard("the identifiers of traces", func() (err error) {
		sp, near, err = r.findSplit(ctx, near)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	readable := map[*unit]bool{}
	for _, u := range near {
		readable[u] = true
	}
	kept := in[:0]
	for _, u := range in {
		if readable[u] {
			kept = append(kept, u)
		}
	}
	return sp.about(start, end), kept, nil
}

// about are the split traces that have a part in a unit of the range.
func (s *split) about(start, end int64) *split {
	out := &split{}
	for i, units := range s.units {
		for _, u := range units {
			if u.within(start, end) {
				out.ids, out.units = append(out.ids, s.ids[16*i:16*i+16]...), append(out.units, units)
				break
			}
		}
	}
	return out
}

// Search implements readapi.Engine.
func (q *Querier) Search(ctx context.Context, req readapi.SearchRequest, found readapi.Found) (*readapi.SearchAnswer, error) {
	answer := &readapi.SearchAnswer{}
	news := newTeller(found)
	missing, err := q.run(ctx, req.Tenant, func(ctx context.Context, r *run) error {
		s, err := newSearch(req, &r.budget.Budget)
		if err != nil {
			return err
		}
		err = r.search(ctx, req, s, news)
		var partial traceql.Partial
		answer.Traces, partial = s.Found()
		r.miss(string(partial))
		return err
	})
	if told := news.end(); told != nil {
		return nil, told
	}
	if err != nil {
		return nil, err
	}
	answer.Missing = missing
	return answer, nil
}

func newSearch(req readapi.SearchRequest, b *traceql.Budget) (*traceql.Search, error) {
	start, end := bounds(req.Range)
	query := req.Query
	if query == nil {
		query = &traceql.Query{Spans: &traceql.Pipeline{Stages: []traceql.Stage{&traceql.Filter{}}}}
	}
	s, err := traceql.NewSearch(query, traceql.SearchOptions{
		Start: uint64(start), End: uint64(end), Limit: req.Limit, SpansPerSet: req.SpansPerSet,
		MinDuration: int64(req.MinDuration), MaxDuration: int64(req.MaxDuration),
		Budget: b,
	})
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return s, nil
}

// fewFound is up to how many traces it is cheaper to ask for each where else it
// has spans, than to look for all that are in several places.
const fewFound = 500

// search looks at the traces that are in several places as wholes, and at the
// others where they are.
func (r *run) search(ctx context.Context, req readapi.SearchRequest, s *traceql.Search, news *teller) error {
	start, end := bounds(req.Range)
	perSpan := req.Query == nil || req.Query.PerSpan()
	if perSpan && req.MinDuration == 0 && req.MaxDuration == 0 && req.Limit <= fewFound {
		return r.searchSpans(ctx, start, end, s, news)
	}
	sp, units, err := r.divide(ctx, start, end)
	if err != nil {
		return err
	}
	err = r.wholes(ctx, sp, blockFields(s.Fields()), func(ctx context.Context, b traceql.Batch) error {
		if err := s.Add(ctx, b); err != nil {
			return err
		}
		return news.tell(s)
	})
	if err != nil {
		return err
	}
	return (&findings{run: r, search: s, news: news, split: sp}).in(ctx, units)
}
