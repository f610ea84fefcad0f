package forwarder

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 15 * time.Second
	busyPause   = 50 * time.Millisecond
	slowLatency = 2 * time.Second // of a request; above it Tempo has too much in hand
)

// pace decides how many requests are in flight, and when. The number grows by one for each round of requests that
// Tempo took quickly and is halved when it did not (AIMD); a failure makes all wait.
type pace struct {
	max  int
	busy func() bool

	mu       sync.Mutex
	limit    float64
	inFlight int
	changed  chan struct{} // closed when a request may go
	resume   time.Time     // nothing is sent before
	backoff  time.Duration
	halved   time.Time
}

func newPace(maxInFlight int, busy func() bool) *pace {
	return &pace{max: maxInFlight, busy: busy, limit: 1, changed: make(chan struct{})}
}

// acquire waits for the right to have one request more in flight.
func (p *pace) acquire(ctx context.Context) error {
	for {
		p.mu.Lock()
		if p.inFlight < int(p.limit) {
			p.inFlight++
			p.mu.Unlock()
			return nil
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *pace) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
	p.wake()
}

// ready waits until a request may go: after a backoff, and while Tempo is busy. Where there is a backoff one request
// goes first and the others wait for what becomes of it.
func (p *pace) ready(ctx context.Context) error {
	for {
		p.mu.Lock()
		wait := time.Until(p.resume)
		if wait <= 0 && p.backoff > 0 {
			p.resume = time.Now().Add(p.backoff) // for the others
		}
		p.mu.Unlock()
		if wait <= 0 {
			if !p.busy() {
				return ctx.Err()
			}
			wait = busyPause
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// took enters a request that Tempo acknowledged.
func (p *pace) took(latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backoff, p.resume = 0, time.Time{}
	if latency > slowLatency {
		p.halve()
		return
	}
	p.limit = min(p.limit+1/p.limit, float64(p.max))
	p.wake()
}

// failed enters a request that Tempo did not take, and that it wants to see again after a time, or did not say when.
func (p *pace) failed(retryAfter time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halve()
	p.backoff = min(max(2*p.backoff, backoffMin), backoffMax)
	wait := max(retryAfter, p.backoff)
	p.resume = time.Now().Add(wait/2 + rand.N(wait)) // from half to one and a half of it
	if retryAfter > 0 {
		p.resume = time.Now().Add(wait + rand.N(wait/4+1)) // never before
	}
}

// away enters that there is no Tempo now; that costs nothing to ask again soon.
func (p *pace) away() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resume = time.Now().Add(backoffMin)
}

// halve lowers the limit, once for all the requests that were in flight together.
func (p *pace) halve() {
	if time.Since(p.halved) > 100*time.Millisecond {
		p.limit = max(1, p.limit/2)
		p.halved = time.Now()
	}
}

func (p *pace) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// now returns how many requests there may be.
func (p *pace) now() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}
