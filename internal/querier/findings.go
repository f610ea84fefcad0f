package querier

import (
	"context"
	"sync"

	"appliance/internal/traceql"
)

// findings are what a search has found in units of which the newest traces are not
// looked at yet.
type findings struct {
	run    *run
	search *traceql.Search
	news   *teller
	split  *split // traces that are looked at elsewhere
	// complete is nil if the units have no parts of other traces.
	complete func(ctx context.Context, u *unit, id traceID, start, end int64) (bool, error)

	mu   sync.Mutex
	open map[*unit]*unitFindings
}

type unitFindings struct {
	found []*traceql.Finding
	done  []func() // give the batches back
}

func (u *unitFindings) close() {
	for _, done := range u.done {
		done()
	}
}

// in looks for traces in units, the newest units first, and keeps the newest traces
// of each.
func (f *findings) in(ctx context.Context, units []*unit) error {
	f.open = map[*unit]*unitFindings{}
	defer func() {
		for _, u := range f.open {
			u.close()
		}
	}()
	return f.run.walk(ctx, units, walker{batch: f.find, last: f.keep, enough: f.enough})
}

// enough says of a unit that none of its traces can be in the answer any more:
// none starts later than its last span ends.
func (f *findings) enough(u *unit) bool { return f.search.Complete(uint64(u.end)) }

func (f *findings) find(ctx context.Context, u *unit, i int) error {
	b, done, err := f.run.batch(ctx, u, i, f.split)
	if err != nil {
		return err
	}
	found, err := f.search.Find(ctx, b, f.complete == nil)
	if err != nil {
		done()
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[u] == nil {
		f.open[u] = &unitFindings{}
	}
	o := f.open[u]
	o.found, o.done = append(o.found, found), append(o.done, done)
	return nil
}

func (f *findings) keep(ctx context.Context, u *unit) error {
	f.mu.Lock()
	o := f.open[u]
	delete(f.open, u)
	f.mu.Unlock()
	if o == nil {
		return nil
	}
	defer o.close()
	var complete traceql.Complete
	if f.complete != nil {
		complete = func(id [16]byte, start, end uint64) (bool, error) {
			return f.complete(ctx, u, id, int64(start), int64(end))
		}
	}
	if err := f.search.AddNewest(o.found, complete); err != nil {
		return err
	}
	return f.news.tell(f.search)
}
