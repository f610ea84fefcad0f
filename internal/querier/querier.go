// Package querier answers the questions of the read API about every span that
// there is: those that are acknowledged and in no block yet, those in the
// store's blocks, and those in the archive's.
//
// It promises:
//   - each span is in an answer once, also while blocks are cut, merged,
//     archived and deleted, and while it was sent or stored twice;
//   - a trace that is spread over several places is looked at as one whole;
//   - what cannot be read costs only itself, and the answer names it;
//   - a query has bounds of time, bytes and memory. Beyond them the answer is
//     what there is, and says why.
//
// A query takes a snapshot of the units in which spans are, finds the traces
// that are in more than one of them (split.go), evaluates each unit without
// those, and those as wholes (whole.go).
package querier

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"appliance/internal/blockstore"
	"appliance/internal/lowprio"
	"appliance/internal/readapi"
)

// Options of a Querier. The zero value of a number means its default.
type Options struct {
	Store   *blockstore.Store // nil with a Tempo elsewhere
	Archive Archive           // nil without one
	Logger  *slog.Logger
	// Memory bounds what one query holds of decoded columns and whole traces, in
	// bytes. What all queries have found takes up to three quarters of it besides,
	// and blooms that are kept for the next query a quarter. Default 128 MiB.
	Memory int64
	// TraceMemory bounds what one trace by id takes until it is written, in bytes:
	// six times its own. Default 768 MiB.
	TraceMemory int64
	// Bytes bounds what one query reads, in bytes as they are stored. Default
	// 64 GiB.
	Bytes int64
	// Timeout bounds the time of one query. Default 60 s.
	Timeout time.Duration
}

// Querier is the readapi.Engine over the store and the archive.
type Querier struct {
	opt       Options
	log       *slog.Logger
	opened    *opened
	live      *liveColumns
	deletions deletions
	collector collector
	answers   answers
	// low runs each batch that is evaluated, and what is between them, first come
	// first served, so that a long query holds up no other for longer than a batch,
	// and the receiver not at all.
	low     *lowprio.Threads
	threads int // of low

	stop func()
	done sync.WaitGroup
}

var _ readapi.Engine = (*Querier)(nil)

// New makes a Querier.
func New(o Options) *Querier {
	o.Memory = cmp.Or(o.Memory, 128<<20)
	o.TraceMemory = cmp.Or(o.TraceMemory, traceBytes*(128<<20))
	o.Bytes = cmp.Or(o.Bytes, 64<<30)
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	q := &Querier{opt: o, log: o.Logger, live: newLiveColumns()}
	q.answers.left = o.Memory * 3 / 4
	q.threads = max(1, lowprio.Processors()-1) // one is left to the receiver
	q.low = lowprio.New(q.threads)
	q.opened = newOpened(q.low, o.Memory/4)
	ctx, cancel := context.WithCancel(context.Background())
	q.stop = cancel
	q.done.Go(func() { q.tidy(ctx) })
	return q
}

// Close closes what is kept open between queries. No query may be under way.
func (q *Querier) Close() {
	q.stop()
	q.done.Wait()
	q.low.Close()
	q.opened.sweep(time.Now().Add(time.Hour))
	q.live.sweep(time.Now().Add(time.Hour))
}

// Later runs what the answers of a query need besides, when it is its turn, at the
// priority of queries.
func (q *Querier) Later(ctx context.Context, do func()) error { return q.low.Do(ctx, do) }

// tidy drops what nobody asks for any more.
func (q *Querier) tidy(ctx context.Context) {
	tick := time.NewTicker(idle / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			q.opened.sweep(now.Add(-idle))
			q.live.sweep(now.Add(-idle))
		}
	}
}
