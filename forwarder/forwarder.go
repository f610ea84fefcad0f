package forwarder

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Forwarder moves what is in a spool to Tempo.
type Forwarder struct {
	o      Options
	client *client
	pace   *pace
	seed   uint64
	alone  sync.RWMutex // held for writing by a request that must be the only one
	large  large
	pause  time.Duration // before what Tempo refused as a whole is sent again
	reread time.Duration // before what the disk did not give is read again
	stats  counters
	said   discards
	log    rarely

	mu       sync.Mutex
	acked    []*shipment   // that prove has not taken over yet
	queue    []*shipment   // to be sent again
	queued   chan struct{} // closed when queue grows
	broke    time.Time     // when a connection was last lost
	lastAck  time.Time
	draining chan struct{} // closed by Drain
}

// New makes a Forwarder; Run sets it to work.
func New(o Options) *Forwarder {
	o = o.withDefaults()
	f := &Forwarder{
		o:        o,
		client:   newClient(o.Timeout, o.MaxInFlight),
		pace:     newPace(&o),
		seed:     rand.Uint64(),
		large:    newLarge(),
		pause:    refusedPause,
		reread:   readPause,
		queued:   make(chan struct{}),
		draining: make(chan struct{}),
		log:      rarely{logger: o.Logger},
	}
	if o.Blocks == nil {
		f.said.ask = o.Discards
	}
	return f
}

// Run sends and proves until ctx is done. What is not proven then stays in the spool, and is sent again by the next
// Forwarder. It is called once.
func (f *Forwarder) Run(ctx context.Context) error {
	defer f.client.transport.CloseIdleConnections()
	f.recover(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { f.sendNew(ctx, g); return nil })
	g.Go(func() error { f.sendAgain(ctx, g); return nil })
	g.Go(func() error { f.proveAll(ctx); return nil })
	return g.Wait()
}

var errUnsettled = errors.New("tempo has acknowledged them, and they are kept for as long as it may have them in memory only")

// Drain returns once everything in the spool is proven, or ctx is done; without Blocks, once all is acknowledged. It asks Tempo to write what it holds, so it is
// for the end of a run.
func (f *Forwarder) Drain(ctx context.Context) error {
	close(f.draining)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var flushed time.Time
	for {
		st := f.o.Spool.Status()
		if st.Pending.Records == 0 {
			return nil
		}
		sent := f.stats.unproven.Load()+f.waiting() >= st.Pending.Spans
		if sent && f.o.Blocks == nil {
			return errUnsettled // which takes longer than a stop should
		}
		// Once all is sent and cut; and again, for what was on its way.
		if sent && f.quiet() && time.Since(flushed) > time.Second {
			flushed = time.Now()
			f.flush(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// waiting counts the spans of what Tempo refused as a whole.
func (f *Forwarder) waiting() (spans int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.queue {
		if time.Until(s.notBefore) > 0 {
			spans += int64(s.spans)
		}
	}
	return spans
}

// quiet says that nothing was acknowledged for some time, so that Tempo has cut everything by itself. A flush that comes
// while it cuts could write a trace twice into one page of its write-ahead log, which shifts the rows of all that follow:
// in the block spans of one trace would stand under the identifier of another.
func (f *Forwarder) quiet() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.lastAck) > f.o.Quiet
}

// flush asks Tempo to make a block of what it has.
func (f *Forwarder) flush(ctx context.Context) {
	if f.o.Flush == nil {
		return
	}
	if err := f.o.Flush(ctx); err != nil && ctx.Err() == nil {
		f.o.Logger.Debug("tempo does not flush", "err", err)
	}
}

// sendNew sends the records of the spool for the first time in this run.
func (f *Forwarder) sendNew(ctx context.Context, g *errgroup.Group) {
	r := newBatcher(f.o.Spool, f.o.BatchBytes, f.o.Linger, f.large)
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
		// After the record has come: what waits for records must not keep what is sent again from going.
		if f.pace.acquire(ctx) != nil {
			return
		}
		g.Go(func() error {
			defer r.give(b)
			defer f.pace.release()
			f.deliver(ctx, b)
			return nil
		})
	}
}

// sendAgain sends what the proof found missing.
func (f *Forwarder) sendAgain(ctx context.Context, g *errgroup.Group) {
	for {
		s := f.next(ctx)
		if s == nil {
			return
		}
		isLarge := s.bytes > f.o.BatchBytes
		if isLarge && f.large.take(ctx) != nil || f.pace.acquire(ctx) != nil {
			return
		}
		g.Go(func() error {
			if isLarge {
				defer f.large.give()
			}
			defer f.pace.release()
			b, err := rebuild(f.o.Spool, s)
			switch {
			case err != nil:
				f.log.Error("a record cannot be read from the spool; trying again", "err", err)
				f.again(s, f.reread)
			case s.missing() == 0: // what was missing is damaged, and counted by the spool
				f.acknowledged(s)
			default:
				f.deliver(ctx, b)
			}
			return nil
		})
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

// again queues a shipment to be sent again after a pause.
func (f *Forwarder) again(s *shipment, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.notBefore = time.Now().Add(pause)
	f.queue = append(f.queue, s)
	close(f.queued)
	f.queued = make(chan struct{})
}

// next takes the first shipment of the queue whose time has come, nil when ctx is done.
func (f *Forwarder) next(ctx context.Context) *shipment {
	for {
		f.mu.Lock()
		wait := time.Hour
		for i, s := range f.queue {
			if d := time.Until(s.notBefore); d > 0 {
				wait = min(wait, d)
				continue
			}
			f.queue = append(f.queue[:i:i], f.queue[i+1:]...)
			f.mu.Unlock()
			return s
		}
		queued := f.queued
		f.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-queued:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// acknowledged hands a shipment to the proof.
func (f *Forwarder) acknowledged(s *shipment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acked = append(f.acked, s)
	f.pace.held.Add(int64(s.bytes))
	f.lastAck = time.Now()
}
