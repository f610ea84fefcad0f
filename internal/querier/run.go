package querier

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"appliance/internal/readapi"
	"appliance/internal/spool"
	"appliance/internal/traceql"
)

// run is one query under way.
type run struct {
	*snapshot
	budget *budget

	mu      sync.Mutex
	missing []string
	left    int64 // bytes that hold has taken
	stale   error // of a live record that is gone
}

// maxMissing bounds how many reasons an answer names.
const maxMissing = 50

// maxTries is how often a query is asked again because a record went into a
// block while it was read.
const maxTries = 3

// run answers a query from a snapshot. ask may be called again, with another
// one, and must begin anew then.
func (q *Querier) run(ctx context.Context, tenant string, ask func(context.Context, *run) error) (readapi.Missing, error) {
	share := &share{of: &q.answers}
	defer readapi.WhenWritten(ctx, share.release)
	return q.ask(ctx, tenant, func(ctx context.Context, r *run) error {
		share.release() // what it found before
		r.budget.Hold = share.hold
		return r.turn(ctx, "the query", func() error { return ask(ctx, r) })
	})
}

func (q *Querier) ask(ctx context.Context, tenant string, ask func(context.Context, *run) error) (readapi.Missing, error) {
	q.collector.begin()
	defer q.collector.end()
	client := ctx
	ctx, cancel := context.WithTimeout(ctx, q.opt.Timeout)
	defer cancel()
	for try := 1; ; try++ {
		missing, stale, err := q.runOnce(ctx, tenant, ask)
		if stale != nil && err == nil && try < maxTries {
			continue
		}
		if stale != nil {
			missing = append(missing, stale.Error())
		}
		switch {
		case errors.Is(client.Err(), context.Canceled):
			return nil, client.Err()
		case err == nil:
			return missing, nil
		case ctx.Err() != nil:
			return append(missing, "the time for the query is over"), nil
		case errors.Is(err, traceql.ErrOverBudget):
			return append(missing, err.Error()), nil
		}
		return nil, err
	}
}

func (q *Querier) runOnce(
	ctx context.Context, tenant string, ask func(context.Context, *run) error,
) (_ readapi.Missing, stale, err error) {
	s, err := q.snapshot(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	r := &run{snapshot: s, budget: &budget{Budget: traceql.Budget{Bytes: q.opt.Bytes}, memory: q.opt.Memory}}
	defer r.giveBack()
	err = r.guard("the query", func() error { return ask(ctx, r) })
	return r.reasons(), r.stale, err
}

// guard turns a panic into an error: bytes of a block may be anything, and must
// not end the process.
func (r *run) guard(what string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.q.log.Error("a query panics", "at", what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("read %s: a fault of ours: %v", what, p)
		}
	}()
	return do()
}

// turn does something when it is its turn, at the priority of queries.
func (r *run) turn(ctx context.Context, what string, do func() error) (err error) {
	if waited := r.q.low.Do(ctx, func() { err = r.guard(what, do) }); waited != nil {
		return waited
	}
	return err
}

// hold takes memory until the end of the query.
func (r *run) hold(n int64) error {
	if err := r.budget.hold(n); err != nil {
		return err
	}
	r.mu.Lock()
	r.left += n
	r.mu.Unlock()
	return nil
}

func (r *run) giveBack() { r.budget.release(r.left) }

// miss says why the answer is not complete.
func (r *run) miss(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if why != "" && len(r.missing) < maxMissing && !slices.Contains(r.missing, why) {
		r.missing = append(r.missing, why)
	}
}

// reasons are all that miss was told, and what the snapshot lacks.
func (r *run) reasons() readapi.Missing {
	for _, why := range r.snapshot.missing {
		r.miss(why)
	}
	return slices.Clone(r.missing)
}

// lose takes an error of a unit. True: it costs that unit alone, and is named.
func (r *run) lose(ctx context.Context, u *unit, err error) bool {
	if ctx.Err() != nil || errors.Is(err, traceql.ErrOverBudget) {
		return false
	}
	if errors.Is(err, spool.ErrGone) {
		r.loseRecord(err)
		return true
	}
	if !u.lost(ctx, err) {
		r.miss(fmt.Sprintf("%s cannot be read: %v", u.name, err))
	}
	return true
}

// loseRecord takes an error of a record that is in no block. One that is gone
// has become part of a block, so that the query is asked again.
func (r *run) loseRecord(err error) {
	if !errors.Is(err, spool.ErrGone) {
		r.miss(err.Error())
		return
	}
	r.mu.Lock()
	r.stale = err
	r.mu.Unlock()
}

// each calls visit with each batch of the units, in their order, several at a
// time.
func (r *run) each(
	ctx context.Context, units []*unit, sp *split, visit func(context.Context, *unit, traceql.Batch) error,
) error {
	read := func(ctx context.Context, u *unit, i int) error {
		b, done, err := r.batch(ctx, u, i, sp)
		if err != nil {
			return err
		}
		defer done()
		return visit(ctx, u, b)
	}
	return r.walk(ctx, units, walker{batch: read})
}

// walker is what is done with units.
type walker struct {
	batch func(ctx context.Context, u *unit, i int) error // with batch i
	// last is called after all batches of a unit. It may be nil.
	last func(context.Context, *unit) error
	// enough says that a unit need not be read. It may be nil.
	enough func(*unit) bool
}

// walk goes through the batches of the units, in their order, several at a time. It
// begins with no other unit once there is enough.
func (r *run) walk(ctx context.Context, units []*unit, w walker) (err error) {
	r.q.low.Pause(func() { err = r.walkAll(ctx, units, w) })
	return err
}

func (r *run) walkAll(ctx context.Context, units []*unit, w walker) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.q.threads)
	for _, u := range units {
		if ctx.Err() != nil { // what is left out must not look like all
			g.Go(ctx.Err)
			break
		}
		if w.enough != nil && w.enough(u) {
			break
		}
		n := 0
		err := r.guard(u.name, func() (err error) { n, err = u.batches(ctx); return err })
		if err != nil {
			if !r.lose(ctx, u, err) {
				g.Go(func() error { return err })
				break
			}
			continue
		}
		var left atomic.Int64
		left.Store(int64(n))
		for i := range n {
			g.Go(func() error {
				return r.turn(ctx, u.name, func() error {
					if w.enough == nil || !w.enough(u) {
						if err := r.try(ctx, u, func() error { return w.batch(ctx, u, i) }); err != nil {
							return err
						}
					}
					if left.Add(-1) > 0 || w.last == nil {
						return nil
					}
					return r.try(ctx, u, func() error { return w.last(ctx, u) })
				})
			})
		}
	}
	return g.Wait()
}

// try does something with a unit, which costs that unit alone if it goes wrong.
func (r *run) try(ctx context.Context, u *unit, do func() error) error {
	if err := r.guard(u.name, do); err != nil && !r.lose(ctx, u, err) {
		return err
	}
	return nil
}

// batch reads a batch of a unit, without the traces that are split. done gives its
// memory back.
func (r *run) batch(ctx context.Context, u *unit, i int, sp *split) (_ traceql.Batch, done func(), err error) {
	b, done, err := u.batch(ctx, i, r.budget)
	if err != nil {
		return nil, nil, err
	}
	seen, err := sp.hide(ctx, b)
	if err != nil {
		done()
		return nil, nil, err
	}
	return seen, done, nil
}
