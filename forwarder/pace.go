package forwarder

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shareMin    = 1.0 / 16 // of the rate, at the start and after each fright
	shareGrowth = 1.5      // a second
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 15 * time.Second
	busyPause   = 50 * time.Millisecond
	slowLatency = 2 * time.Second // of a request; above it Tempo has too much in hand
)

// pace decides how many requests are in flight, and when. The number grows by one for each round of requests that
// Tempo took quickly and is halved when it did not (AIMD); a failure makes all wait. Since Tempo acknowledges before it
// has done the work, speed of its answers says little of what it can digest: bytes per second and bytes that are not
// proven are limited too.
type pace struct {
	max    int
	busy   func() bool
	rate   float64      // bytes per second at the most; 0 for any
	window int64        // bytes that may be unproven; 0 for any
	held   atomic.Int64 // bytes that are

	mu       sync.Mutex
	limit    float64
	inFlight int
	changed  chan struct{} // closed when a request may go
	resume   time.Time     // nothing is sent before, until a request is taken
	asked    time.Time     // nothing is sent before, since Tempo said so
	backoff  time.Duration
	halved   time.Time
	share    float64 // of rate that is used now
	credit   float64 // bytes that may go at once; negative after a large request
	counted  time.Time
}

func newPace(o *Options) *pace {
	return &pace{
		max: o.MaxInFlight, busy: o.Busy, rate: float64(o.BytesPerSecond), window: o.Window,
		limit: 1, share: shareMin, counted: time.Now(), changed: make(chan struct{}),
	}
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

// ready waits until a request of so many bytes may go: after a backoff, when Tempo is not busy, and there is room. Where
// there is a backoff one request goes first and the others wait for what becomes of it.
func (p *pace) ready(ctx context.Context, bytes int) error {
	for {
		wait := p.ask(bytes)
		if wait <= 0 {
			return ctx.Err()
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

// ask returns how long to wait before asking again; 0 means that the request may go, and is counted.
func (p *pace) ask(bytes int) time.Duration {
	busy := p.busy()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.refill(now, busy)
	if wait := max(p.resume.Sub(now), p.asked.Sub(now)); wait > 0 {
		return wait
	}
	if busy || p.window > 0 && p.held.Load() >= p.window {
		return busyPause
	}
	if p.rate > 0 && p.credit <= 0 {
		return min(busyPause, time.Duration(-p.credit/(p.rate*p.share)*float64(time.Second))+time.Millisecond)
	}
	p.credit -= float64(bytes)
	if p.backoff > 0 {
		p.resume = now.Add(p.backoff) // for the others
	}
	return 0
}

// refill adds what may go since the last look.
func (p *pace) refill(now time.Time, busy bool) {
	seconds := now.Sub(p.counted).Seconds()
	p.counted = now
	if !busy {
		p.share = min(1, p.share*math.Pow(shareGrowth, seconds))
	}
	rate := p.rate * p.share
	p.credit = min(p.credit+rate*seconds, rate/10) // a tenth of a second at once
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
	p.share = shareMin
	p.backoff = min(max(2*p.backoff, backoffMin), backoffMax)
	now := time.Now()
	p.resume = later(p.resume, now.Add(p.backoff/2+rand.N(p.backoff))) // from half to one and a half of it
	if retryAfter > 0 {
		p.asked = later(p.asked, now.Add(retryAfter+rand.N(retryAfter/4+1)))
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// away enters that there is no Tempo now; that costs nothing to ask again soon.
func (p *pace) away() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resume = later(p.resume, time.Now().Add(backoffMin))
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
