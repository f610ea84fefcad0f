package querier

import (
	"bytes"
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"appliance/internal/block"
	"appliance/internal/traceql"
)

const (
	wholeTraces = 4096     // that are put together at once at most
	wholeBytes  = 16 << 20 // of their spans, about
)

// wholes calls visit with batches of the traces that are split, each put
// together from all its units, without what fields leaves out.
func (r *run) wholes(ctx context.Context, sp *split, fields *block.Fields, visit func(context.Context, traceql.Batch) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.q.threads)
	var err error
	r.q.low.Pause(func() {
		for from := 0; from < sp.len() && ctx.Err() == nil; from += wholeTraces {
			g.Go(func() error {
				return r.turn(ctx, "traces that are in several places", func() error {
					return r.someWholes(ctx, sp.part(from, min(from+wholeTraces, sp.len())), fields, visit)
				})
			})
		}
		err = g.Wait()
	})
	return err
}

// someWholes puts traces together, unit by unit, or half of them if they are too
// large.
func (r *run) someWholes(ctx context.Context, sp *split, fields *block.Fields, visit func(context.Context, traceql.Batch) error) error {
	w := r.newWhole()
	defer w.release()
	err := w.gather(ctx, sp, fields)
	if errors.Is(err, errTooMany) {
		w.release()
		half := sp.len() / 2
		if err := r.someWholes(ctx, sp.part(0, half), fields, visit); err != nil {
			return err
		}
		return r.someWholes(ctx, sp.part(half, sp.len()), fields, visit)
	}
	if err != nil {
		return err
	}
	return visit(ctx, w.builder.Batch())
}

// errTooMany says that fewer traces are to be put together at once.
var errTooMany = errors.New("too many traces at once")

// gather takes in all of some traces, but for what fields leaves out. Whether
// spans are copies is told by all that they say, so that traces which have a
// span's id twice are read again as they are.
func (w *whole) gather(ctx context.Context, sp *split, fields *block.Fields) error {
	if err := w.addAll(ctx, sp, fields); err != nil || fields == nil {
		return err
	}
	return w.addAll(ctx, sp.only(w.builder.TakeRepeated()), nil)
}

// addAll takes in all of some traces, or fails with errTooMany.
func (w *whole) addAll(ctx context.Context, sp *split, fields *block.Fields) error {
	wanted := map[*unit][]byte{}
	var units []*unit
	for i, all := range sp.units {
		id := sp.id(i)
		for _, u := range all {
			if wanted[u] == nil {
				units = append(units, u)
			}
			wanted[u] = append(wanted[u], id[:]...)
		}
	}
	for _, u := range units {
		err := u.traces(ctx, wanted[u], fields, func(data []byte) error {
			if sp.len() > 1 && w.held+int64(2*len(data)) > wholeBytes {
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

// takeFrom takes in what units have of a trace.
func (w *whole) takeFrom(ctx context.Context, id traceID, units []*unit, fields *block.Fields) error {
	parts, err := w.run.partsIn(ctx, id, units, fields)
	if err != nil {
		return err
	}
	for _, data := range parts {
		if err := w.take(data); err != nil {
			return err
		}
	}
	return nil
}

func (w *whole) release() {
	w.run.budget.release(w.held)
	w.held = 0
}
