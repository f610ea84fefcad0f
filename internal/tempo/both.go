package tempo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// reserve is what is left of a request's time at most when one of both has not
// answered: to put the answer of the other together.
const reserve = 3 * time.Second

// Both asks a Tempo elsewhere and the archive of its blocks at the same time,
// and answers with what the two have, each span once.
//
// A block that both have is read in both, so that a trace is looked at as one
// whole in each. Where one of both gives no answer, the answer is that of the
// other, which Missing says.
func Both(remote, archived readapi.Engine) readapi.Engine { return &both{remote, archived} }

type both struct{ remote, archived readapi.Engine }

// replies are what both said.
type replies[T any] struct {
	remote, archived       T
	remoteErr, archivedErr error
}

// askBoth asks both at the same time. Its error is that of a question to which
// neither has an answer.
func askBoth[Q, T any](
	ctx context.Context, question Q, b *both,
	ask func(readapi.Engine, context.Context, Q) (T, error),
) (*replies[T], error) {
	asking, cancel := ahead(ctx)
	defer cancel()
	r := &replies[T]{}
	var answered sync.WaitGroup
	answered.Go(func() { r.remote, r.remoteErr = ask(b.remote, asking, question) })
	r.archived, r.archivedErr = ask(b.archived, asking, question)
	answered.Wait()
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, ctx.Err()
	case r.remoteErr == nil || r.archivedErr == nil:
		return r, nil
	case isBad(r.archivedErr):
		return nil, r.archivedErr
	case isBad(r.remoteErr):
		return nil, r.remoteErr
	}
	return nil, fmt.Errorf("%w; nor does the archive answer: %w", r.remoteErr, r.archivedErr)
}

// ahead ends before the deadline of ctx, if it has one.
func ahead(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline)
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, left/8)))
}

// missing is what the answer lacks, given what the answers of both lack.
func (r *replies[T]) missing(of func(T) readapi.Missing) readapi.Missing {
	var out readapi.Missing
	switch {
	case isBad(r.remoteErr):
		out = append(out, "Tempo refuses this: "+r.remoteErr.Error())
	case r.remoteErr != nil:
		out = append(out, r.remoteErr.Error())
	default:
		out = append(out, of(r.remote)...)
	}
	if r.archivedErr != nil {
		return append(out, "the archive does not answer: "+r.archivedErr.Error())
	}
	return append(out, of(r.archived)...)
}

// isBad says whether the question is at fault.
func isBad(err error) bool {
	var bad *readapi.BadRequest
	var parse *traceql.Error
	return errors.As(err, &bad) || errors.As(err, &parse)
}
