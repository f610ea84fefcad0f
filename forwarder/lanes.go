package forwarder

import (
	"context"
	"sync"
	"time"
)

const (
	allTimes   = 4                      // requests of all tenants, in times of one's
	patience   = 100 * time.Millisecond // of lanes
	parkedMost = 4 << 20                // bytes of memory for shipments that others have overtaken
	parkedCost = 512                    // bytes of one, without its steps
)

// lanes are those of all tenants, and what waits to be sent again. One that is
// slow or fails keeps no other from going.
type lanes struct {
	most     int           // requests in flight, of a tenant
	size     int           // bytes of a request
	patience time.Duration // with a tenant whose requests are all in flight, before others go ahead

	mu       sync.Mutex
	tenants  map[string]*lane
	inFlight int
	parked   int           // bytes of memory, roughly
	changed  chan struct{} // closed when something may go that could not before
}

func newLanes(most, size int) *lanes {
	return &lanes{most: most, size: size, patience: patience, tenants: map[string]*lane{}, changed: make(chan struct{})}
}

// of returns a tenant's lane. q.mu is held.
func (q *lanes) of(tenant string) *lane {
	l := q.tenants[tenant]
	if l == nil {
		l = &lane{most: float64(q.most), limit: 1}
		q.tenants[tenant] = l
	}
	return l
}

// with calls change with a tenant's lane, and lets those look again who wait.
func (q *lanes) with(tenant string, change func(*lane)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change(q.of(tenant))
	q.wake()
}

// wake lets those look again who wait. q.mu is held.
func (q *lanes) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *lanes) woken() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wake()
}

// taken is how many requests of a tenant Tempo took.
func (q *lanes) taken(tenant string) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.of(tenant).taken
}

// free says whether a lane has room for a request. q.mu is held.
func (q *lanes) free(l *lane) bool {
	return l.inFlight < int(l.limit) && q.inFlight < allTimes*q.most
}

// admit waits for the right to have one request more in flight; false with a
// nil error means that the shipment is to be parked, since others wait behind
// it.
func (q *lanes) admit(ctx context.Context, s *shipment, others func(tenant string) bool) (bool, error) {
	late := time.Now().Add(q.patience)
	for {
		q.mu.Lock()
		l, now := q.of(s.tenant), time.Now()
		wait := l.until(now)
		if wait <= 0 && q.free(l) {
			l.inFlight++
			q.inFlight++
			l.begin(now)
			q.mu.Unlock()
			return true, nil
		}
		changed, room := q.changed, q.parked < parkedMost
		q.mu.Unlock()
		if room && (wait > 0 || now.After(late)) && others(s.tenant) {
			return false, nil
		}
		if wait <= 0 {
			wait = patience
		}
		if err := sleep(ctx, min(wait, time.Second), changed); err != nil {
			return false, err
		}
	}
}

// release gives back what admit or next gave for a shipment, which was doubtful
// then or not.
func (q *lanes) release(tenant string, doubtful bool) {
	q.with(tenant, func(l *lane) {
		if doubtful {
			l.doubting = false
			return
		}
		l.inFlight--
		q.inFlight--
	})
}

// ready waits until a tenant's backoff is over.
func (q *lanes) ready(ctx context.Context, tenant string) error {
	for {
		q.mu.Lock()
		l, now := q.of(tenant), time.Now()
		wait, changed := l.until(now), q.changed
		if wait <= 0 {
			l.begin(now)
		}
		q.mu.Unlock()
		if wait <= 0 {
			return ctx.Err()
		}
		if err := sleep(ctx, wait, changed); err != nil {
			return err
		}
	}
}

// park keeps a shipment until there is room for its request, which it shares with
// the one that was parked before if that is small: where tenants take turns each
// of theirs is.
func (q *lanes) park(s *shipment) {
	q.with(s.tenant, func(l *lane) {
		if n := len(l.waiting); n > 0 && l.waiting[n-1].cost > 0 && l.waiting[n-1].join(s, q.size) {
			l.waiting[n-1].cost += len(s.steps)
			q.parked += len(s.steps)
			return
		}
		s.cost = parkedCost + len(s.steps)
		q.parked += s.cost
		l.waiting = append(l.waiting, s)
	})
}

// again queues a shipment to be sent again now, with the others.
func (q *lanes) again(s *shipment) {
	q.with(s.tenant, func(l *lane) {
		s.notBefore, s.doubtful = time.Time{}, false
		l.waiting = append(l.waiting, s)
	})
}

// doubt queues a shipment to be sent again after a pause, in which it keeps no
// other waiting.
func (q *lanes) doubt(s *shipment, pause time.Duration) {
	q.with(s.tenant, func(l *lane) {
		s.notBefore, s.doubtful = time.Now().Add(pause), true
		l.doubted = append(l.doubted, s)
	})
}

// next takes the first shipment whose time has come and that can go, nil when
// ctx is done.
func (q *lanes) next(ctx context.Context, can func(*shipment) bool) *shipment {
	for {
		q.mu.Lock()
		s, wait := q.pick(time.Now(), can)
		changed := q.changed
		q.mu.Unlock()
		if s != nil {
			return s
		}
		if sleep(ctx, wait, changed) != nil {
			return nil
		}
	}
}

func (q *lanes) pick(now time.Time, can func(*shipment) bool) (*shipment, time.Duration) {
	wait := time.Hour
	for _, l := range q.tenants { // in no order, so that each comes first at times
		if until := l.until(now); until > 0 {
			wait = min(wait, until)
			continue
		}
		if !l.doubting {
			s, d := due(&l.doubted, now, can)
			if s != nil {
				l.doubting = true
				l.begin(now)
				return s, 0
			}
			wait = min(wait, d)
		}
		if q.free(l) {
			s, d := due(&l.waiting, now, can)
			if s != nil {
				q.parked -= s.cost
				s.cost = 0
				l.inFlight++
				q.inFlight++
				l.begin(now)
				return s, 0
			}
			wait = min(wait, d)
		}
	}
	return nil, wait
}

// delayed counts the spans of what Tempo refused, and is sent again later.
func (q *lanes) delayed() (spans int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, l := range q.tenants {
		for _, s := range l.doubted {
			if s.entry == "" && s.refusal.times > 0 && s.notBefore.After(now) {
				spans += int64(s.spans)
			}
		}
	}
	return spans
}

// limit is how many requests there may be.
func (q *lanes) limit() (n float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.tenants {
		n += l.limit
	}
	return max(1, n)
}

// sleep waits for a time, at the most, or until changed is closed.
func sleep(ctx context.Context, wait time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
