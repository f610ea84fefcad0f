package querier

import (
	"bytes"
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"appliance/internal/traceql"
)

const (
	wholeTraces = 4096     // that are put together at once at most
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

// someWholes puts the traces from one to another together, unit by unit, or half
// of them if they are too large.
func (r *run) someWholes(ctx context.Context, sp *split, from, to int, visit func(context.Context, traceql.Batch) error) error {
	w := r.newWhole()
	defer w.release()
	err := w.addAll(ctx, sp, from, to)
	if errors.Is(err, errTooMany) {
		w.release()
		half := (from + to) / 2
		if err := r.someWholes(ctx, sp, from, half, visit); err != nil {
			return err
		}
		return r.someWholes(ctx, sp, half, to, visit)
	}
	if err != nil {
		return err
	}
	return visit(ctx, w.builder.Batch())
}

// errTooMany says that fewer traces are to be put together at once.
var errTooMany = errors.New("too many traces at once")

// addAll takes in all of the traces from one to another.
func (w *whole) addAll(ctx context.Context, sp *split, from, to int) error {
	wanted := map[*unit][]byte{}
	var units []*unit
	for i := from; i < to; i++ {
		id := sp.id(i)
		for _, u := range sp.units[i] {
			if wanted[u] == nil {
				units = append(units, u)
			}
			wanted[u] = append(wanted[u], id[:]...)
		}
	}
	for _, u := range units {
		err := u.traces(ctx, wanted[u], func(data []byte) error {
			if to-from > 1 && w.held+int64(2*len(data)) > wholeBytes {
				return errTooMany
			}
			return w.take(bytes.Clone(data))
		})
		switch {
		case err == nil:
		case errors.Is(err, errTooMany), !w.run.lose(ctx, u, err):
			return err
		}
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

// take takes in spans, which must not change.
func (w *whole) take(data []byte) error {
	n := int64(2 * len(data)) // the columns take about as much again
	if err := w.run.budget.hold(n); err != nil {
		return err
	}
	w.held += n
	return w.builder.Append(data)
}

func (w *whole) release() {
	w.run.budget.release(w.held)
	w.held = 0
}
