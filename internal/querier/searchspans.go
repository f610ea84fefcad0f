package querier

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"appliance/internal/block"
	"appliance/internal/traceql"
)

// spanSearch is a search for single spans. It finds them where they are, the
// newest units first, and only then asks where else their traces have spans. So
// it reads no more than it takes to find as many as are asked for.
type spanSearch struct {
	run        *run
	search     *traceql.Search
	fields     *block.Fields // that the query names
	start, end int64         // the range
	near       []*unit

	mu   sync.Mutex
	done map[traceID]bool // traces in several places that were looked at

	probes atomic.Int64 // questions to a unit whether it has a trace

	finding waitingLock // of what is below
	split   *split
	err     error // of finding split
}

func (r *run) searchSpans(ctx context.Context, start, end int64, s *traceql.Search, news *teller) error {
	in, near, err := r.scope(ctx, start, end)
	if err != nil {
		return err
	}
	p := &spanSearch{
		run: r, search: s, fields: blockFields(s.Fields()), start: start, end: end, near: near, done: map[traceID]bool{},
		finding: newWaitingLock(),
	}
	return (&findings{run: r, search: s, news: news, split: &split{}, complete: p.complete}).in(ctx, in)
}

// complete says whether all of a trace is in one unit. If not, it is put together
// and looked at.
func (p *spanSearch) complete(ctx context.Context, u *unit, id traceID, start, end int64) (bool, error) {
	p.mu.Lock()
	done := p.done[id]
	p.mu.Unlock()
	if done {
		return false, nil
	}
	outside := p.end != 0 && start > p.end || p.start != 0 && end < p.start
	units := p.near
	// Many traces of a unit may lie outside of the range. Only one that goes on
	// elsewhere can be in it.
	if outside || p.manyProbes() {
		s, err := p.splitTraces(ctx)
		if err != nil {
			return false, err
		}
		units = s.unitsOf(id)
		if len(units) == 0 {
			return !outside, nil
		}
	}
	others := make([]*unit, 0, len(units))
	for _, o := range units {
		if o != u {
			others = append(others, o)
		}
	}
	p.probes.Add(int64(len(others)))
	w := p.run.newWhole()
	defer w.release()
	alone, err := p.join(ctx, w, u, id, units, others)
	switch {
	case errors.Is(err, errNoRoom): // the trace costs itself, and nobody reads it again
		p.run.skip(id, err)
		p.looked(id)
		return false, nil
	case err != nil || alone:
		return alone, err
	case p.looked(id):
		return false, nil
	}
	return false, p.search.Add(ctx, w.builder.Batch())
}

// join puts together what units have of a trace, u among them. Alone says that only
// u has any of it.
func (p *spanSearch) join(ctx context.Context, w *whole, u *unit, id traceID, units, others []*unit) (alone bool, err error) {
	if err := w.takeFrom(ctx, id, others, p.fields); err != nil {
		return false, err
	}
	if w.builder.Spans() == 0 {
		return true, nil
	}
	if err := w.takeFrom(ctx, id, []*unit{u}, p.fields); err != nil {
		return false, err
	}
	// Whether spans are copies is told by all that they say.
	if len(w.builder.TakeRepeated()) > 0 {
		return false, w.takeFrom(ctx, id, units, nil)
	}
	return false, nil
}

// looked marks a trace as looked at, and says whether it was before.
func (p *spanSearch) looked(id traceID) (before bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.done[id]
	p.done[id] = true
	return before
}

// What it costs to merge the identifiers of units, in questions to a unit whether
// it has a trace: for each unit, and how many identifiers cost one.
const (
	mergeUnit = 32
	mergeIDs  = 64
)

// manyProbes says that as many questions were asked as it takes to merge the
// identifiers of all units, which then answers all others. So what is asked costs
// at most twice what it must, however many units and traces there are.
func (p *spanSearch) manyProbes() bool {
	probes := p.probes.Load()
	if probes < mergeUnit*int64(len(p.near)) {
		return false
	}
	cost, ids := int64(0), int64(0)
	for _, u := range p.near {
		n := u.size()
		ids += n
		cost += mergeUnit + n/mergeIDs
	}
	return probes >= cost && ids*splitOverhead <= p.run.budget.memory/4
}

// splitTraces are the traces that are in several places.
func (p *spanSearch) splitTraces(ctx context.Context) (*split, error) {
	if err := p.finding.lock(ctx, p.run.q.low); err != nil {
		return nil, err
	}
	defer p.finding.unlock()
	if p.split == nil {
		if p.split, _, p.err = p.run.findSplit(ctx, p.near); p.split == nil {
			p.split = &split{}
		}
	}
	return p.split, p.err
}
