package forwarder

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Forwarder moves what is in a spool to Tempo.
type Forwarder struct {
	o         Options
	client    *client
	lanes     *lanes
	apart     *apart
	large     large
	stats     counters
	processes processes
	said      discards
	log       rarely

	retries    *retries
	pause      time.Duration // before what Tempo refused as a whole is sent again
	reread     time.Duration // before what the disk did not give is read again
	stuckEvery time.Duration
	roomAfter  time.Duration
	roomEvery  time.Duration
	// the most that the first spans wait for the first answer to Options.Ask
	firstAnswer time.Duration

	mu      sync.Mutex
	acked   []*shipment // that prove has not taken over yet
	broke   time.Time   // when a connection was last lost
	lastAck time.Time
}

// New makes a Forwarder; Run sets it to work.
func New(o Options) *Forwarder {
	o = o.withDefaults()
	return &Forwarder{
		o:           o,
		client:      newClient(o.timeout, allTimes*o.inFlight),
		lanes:       newLanes(o.inFlight, o.batch),
		apart:       newApart(o.TraceIdle),
		large:       newLarge(),
		retries:     newRetries(),
		pause:       refusedPause,
		reread:      readPause,
		stuckEvery:  stuckEvery,
		roomAfter:   roomAfter,
		roomEvery:   roomEvery,
		firstAnswer: firstAnswer,
		log:         rarely{logger: o.Logger},
	}
}

// Run sends and proves until ctx is done. What has not settled then stays in
// the spool, and is sent again by the next Forwarder. It is called once.
func (f *Forwarder) Run(ctx context.Context) error {
	defer f.client.transport.CloseIdleConnections()
	g, ctx := errgroup.WithContext(ctx)
	first := make(chan struct{})
	begun := sync.OnceFunc(func() { close(first) })
	g.Go(func() error { f.watch(ctx, begun); return nil })
	select {
	case <-first:
	case <-time.After(f.firstAnswer): // it may hang
	case <-ctx.Done():
	}
	g.Go(func() error { f.sendNew(ctx, g); return nil })
	g.Go(func() error { f.sendAgain(ctx, g); return nil })
	g.Go(func() error { f.proveAll(ctx); return nil })
	g.Go(func() error { f.retryStuck(ctx); return nil })
	return g.Wait()
}

var errUnsettled = errors.New("tempo has acknowledged them, and they are kept for as long as it may have them in memory only")

// Drain returns nil once nothing is pending in the spool that is decided, and an
// error once
// Tempo has acknowledged all that it takes now, which takes longer to settle
// than a stop should, or when ctx is done.
func (f *Forwarder) Drain(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		switch st := f.o.Spool.Status(); {
		case st.Pending.Records <= st.Undecided.Records:
			return nil
		case f.stats.unproven.Load()+f.lanes.delayed() >= st.Decided():
			return errUnsettled
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// sendNew sends the records of the spool for the first time in this run.
func (f *Forwarder) sendNew(ctx context.Context, g *errgroup.Group) {
	r := newBatcher(f.o.Spool, f.o.batch, f.o.linger, f.large)
	defer r.close()
	failures := 0
	for {
		b, err := r.next(ctx)
		if err != nil {
			if !f.readFailed(ctx, err) {
				return
			}
			if failures++; failures%readTries == 0 {
				f.log.Error("what the disk does not give stays in the spool until the next start", "err", err)
				r.reader.Skip()
			}
			continue
		}
		failures = 0
		// After the record has come: what waits for records must not keep what
		// is sent again from going.
		admitted, err := f.lanes.admit(ctx, b.shipment, f.othersPending)
		if err != nil {
			return
		}
		if !admitted {
			f.lanes.park(b.shipment)
			f.give(r, b)
			continue
		}
		g.Go(func() error {
			defer f.give(r, b)
			defer f.lanes.release(b.tenant, false)
			f.deliver(ctx, b)
			return nil
		})
	}
}

// give takes back what a batch holds.
func (f *Forwarder) give(r *batcher, b *batch) {
	r.give(b)
	if b.large {
		f.lanes.woken()
	}
}

// othersPending says that spans of other tenants are in the spool.
func (f *Forwarder) othersPending(tenant string) bool {
	return f.o.Spool.PendingBeside(tenant)
}

// sendAgain sends what failed, or Tempo may have lost.
func (f *Forwarder) sendAgain(ctx context.Context, g *errgroup.Group) {
	isLarge := func(s *shipment) bool { return s.bytes > f.o.batch }
	for {
		s := f.lanes.next(ctx, func(s *shipment) bool { return !isLarge(s) || f.large.try() })
		if s == nil {
			return
		}
		tenant, doubtful, wasLarge := s.tenant, s.doubtful, isLarge(s)
		g.Go(func() error {
			defer f.lanes.release(tenant, doubtful)
			if wasLarge {
				defer f.large.give()
			}
			f.deliverAgain(ctx, s)
			return nil
		})
	}
}

// deliverAgain reads a shipment again, and delivers what is left to be sent.
func (f *Forwarder) deliverAgain(ctx context.Context, s *shipment) {
	b, err := rebuild(f.o.Spool, s)
	switch {
	case err != nil:
		f.log.Error("a record cannot be read from the spool; trying again", "err", err)
		f.later(s, f.reread)
	case b.spans == 0: // what was missing is damaged, and counted by the spool
		f.acknowledged(s)
	default:
		f.deliver(ctx, b)
	}
}

const (
	readPause = time.Second
	readTries = 5 // of a record that the disk does not give, before those behind it
)

// readFailed is called when the spool cannot be read; it says whether to go on.
func (f *Forwarder) readFailed(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, errSpoolClosed) {
		return false
	}
	f.stats.trouble(err)
	f.log.Error("the spool cannot be read; trying again", "err", err)
	select {
	case <-time.After(f.reread):
		return true
	case <-ctx.Done():
		return false
	}
}

// acknowledged hands a shipment to the proof.
func (f *Forwarder) acknowledged(s *shipment) {
	if s.entry != "" {
		f.retries.answered(s, !s.began.IsZero())
	}
	s.taken, s.failure, s.refusal, s.failures, s.limited = nil, blame{}, blame{}, 0, 0
	f.mu.Lock()
	defer f.mu.Unlock()
	f.countUnproven(s, 1)
	f.acked = append(f.acked, s)
	f.lastAck = time.Now()
}

// countUnproven enters that a shipment waits to settle, 1, or no longer does,
// -1. What is stuck is not pending, and is not counted.
func (f *Forwarder) countUnproven(s *shipment, n int64) {
	if s.entry == "" {
		f.stats.unproven.Add(n * int64(s.spans))
	}
}
