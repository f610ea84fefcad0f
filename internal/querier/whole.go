package querier

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"appliance/internal/traceql"
)

const (
	wholeTraces = 256      // that are looked at together at most
	wholeBytes  = 16 << 20 // of their spans, about
)

// wholes calls visit with batches of the traces that are split, each put
// together from all its units.
func (r *run) wholes(ctx context.Context, sp *split, visit func(context.Context, traceql.Batch) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.q.threads)
	for from := 0; from < sp.len() && ctx.Err() == nil; from += wholeTraces {
		g.Go(func() error {
			if err := r.q.workers.Acquire(ctx, 1); err != nil {
				return err
			}
			defer r.q.workers.Release(1)
			return r.guard("traces that are in several places", func() error {
				return r.someWholes(ctx, sp, from, min(from+wholeTraces, sp.len()), visit)
			})
		})
	}
	return g.Wait()
}

func (r *run) someWholes(ctx context.Context, sp *split, from, to int, visit func(context.Context, traceql.Batch) error) error {
	w := r.newWhole()
	defer w.release()
	for i := from; i < to; i++ {
		if err := w.add(ctx, sp.id(i), sp.units[i]); err != nil {
			return err
		}
		if w.held < wholeBytes && i+1 < to {
			continue
		}
		if err := visit(ctx, w.builder.Batch()); err != nil {
			return err
		}
		w.release()
	}
	return nil
}

// whole puts traces together.
type whole struct {
	run     *run
	builder *traceql.MemoryBuilder
	held    int64
}

func (r *run) newWhole() *whole {
	w := &whole{run: r, builder: traceql.NewMemoryBuilder()}
	w.builder.DropCopies()
	return w
}

// add takes in what the units have of a trace. Of a trace that is too large for
// the memory of a query the rest is left out.
func (w *whole) add(ctx context.Context, id traceID, units []*unit) error {
	r := w.run
	for _, u := range units {
		data, err := u.trace(ctx, id, nil)
		if err == nil && len(data) > 0 {
			err = w.builder.Append(data)
		}
		if err != nil {
			if !r.lose(ctx, u, err) {
				return err
			}
			continue
		}
		// The columns take about as much again.
		n := int64(2 * len(data))
		if err := r.budget.hold(n); err != nil {
			return fmt.Errorf("put trace %x together: %w", id, err)
		}
		w.held += n
	}
	return nil
}

func (w *whole) release() {
	w.run.budget.release(w.held)
	w.held = 0
}
