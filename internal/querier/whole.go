package querier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"appliance/internal/block"
	"appliance/internal/traceql"
)

const (
	wholeTraces = 4096     // that are put together at once at most
	wholeBytes  = 16 << 20 // of their spans, about
)

// wholes calls visit with batches of the traces that are split, each put
// together from all its units, without what fields leaves out. A trace that does
// not fit is left out alone.
func (r *run) wholes(ctx context.Context, sp *split, fields *block.Fields, visit func(context.Context, traceql.Batch) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.q.threads)
	j := &joiner{run: r, fields: fields, visit: visit}
	var err error
	r.q.low.Pause(func() {
		for from := 0; from < sp.len() && gctx.Err() == nil; from += wholeTraces {
			g.Go(func() error {
				return r.turn(gctx, "traces that are in several places", func() error {
					return j.some(gctx, sp.part(from, min(from+wholeTraces, sp.len())))
				})
			})
		}
		err = g.Wait()
	})
	if err == nil {
		err = ctx.Err() // what was not begun must not look like all
	}
	j.alone = true
	for i := 0; err == nil && i < len(j.late); i++ {
		err = j.some(ctx, j.late[i])
	}
	return err
}

// joiner puts traces together.
type joiner struct {
	run    *run
	fields *block.Fields
	visit  func(context.Context, traceql.Batch) error

	alone bool // no others are put together now
	mu    sync.Mutex
	late  []*split // for which there was no room beside others
}

// some puts traces together, unit by unit, or half of them if they are too large.
func (j *joiner) some(ctx context.Context, sp *split) error {
	w := j.run.newWhole()
	defer w.release()
	err := w.gather(ctx, sp, j.fields)
	switch {
	case err == nil:
		return j.visit(ctx, w.builder.Batch())
	case errors.Is(err, errTooMany), j.alone && errors.Is(err, errNoRoom) && sp.len() > 1:
		w.release()
		half := sp.len() / 2
		if err := j.some(ctx, sp.part(0, half)); err != nil {
			return err
		}
		return j.some(ctx, sp.part(half, sp.len()))
	case errors.Is(err, errNoRoom) && j.alone:
		j.run.skip(sp.id(0), err)
	case errors.Is(err, errNoRoom):
		j.mu.Lock()
		defer j.mu.Unlock()
		j.late = append(j.late, sp)
	default:
		return err
	}
	return nil
}

// skip leaves out a trace that does not fit.
func (r *run) skip(id traceID, err error) {
	r.miss(fmt.Sprintf("trace %x is too large to be looked at as a whole: %v", id, err))
}

// errTooMany says that fewer traces are to be put together at once.
var errTooMany = errors.New("too many traces at once")

// errNoRoom says that traces do not fit into the memory of the query.
var errNoRoom = errors.New("no room for traces")

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

// hold takes the memory of n bytes of spans, or fails with errNoRoom.
func (w *whole) hold(n int) error {
	held := int64(2 * n) // the columns take about as much again
	if err := w.run.budget.hold(held); err != nil {
		return fmt.Errorf("%w: %w", errNoRoom, err)
	}
	w.held += held
	return nil
}

// take takes in spans, which must not change.
func (w *whole) take(data []byte) error {
	if err := w.hold(len(data)); err != nil {
		return err
	}
	return w.builder.Append(data)
}

// takeFrom takes in what units have of a trace.
func (w *whole) takeFrom(ctx context.Context, id traceID, units []*unit, fields *block.Fields) error {
	keep := func(data []byte) ([]byte, error) { return data, w.hold(len(data)) }
	parts, err := w.run.partsIn(ctx, id, units, fields, keep)
	if err != nil {
		return err
	}
	for _, data := range parts {
		if err := w.builder.Append(data); err != nil {
			return err
		}
	}
	return nil
}

func (w *whole) release() {
	w.run.budget.release(w.held)
	w.held = 0
}
