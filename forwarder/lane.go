package forwarder

import (
	"math/rand/v2"
	"time"
)

const (
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 15 * time.Second
	slowLatency = 2 * time.Second // of a request; above it Tempo has too much in hand
)

// lane is the way of one tenant's spans to Tempo: how many requests are in
// flight, and when. The number grows by one for each round of requests that
// Tempo took quickly and is halved when it did not (AIMD); after a failure one
// request goes first and the others wait for what becomes of it. lanes.mu
// guards it.
type lane struct {
	most     float64
	limit    float64
	inFlight int
	doubting bool // a shipment that failed before is on its way, beside the others
	backoff  time.Duration
	resume   time.Time // nothing is sent before, until a request is taken
	asked    time.Time // nothing is sent before, since Tempo said so
	halved   time.Time
	taken    int64     // requests that Tempo took
	failing  time.Time // since when it takes none; zero while it does
	why      string    // what was said last

	waiting []*shipment // to be sent when there is room for their requests
	doubted []*shipment // that failed before: they go one at a time, and keep no other waiting
}

// until is how long nothing may be sent.
func (l *lane) until(now time.Time) time.Duration {
	return max(l.resume.Sub(now), l.asked.Sub(now))
}

// begin enters that a request goes.
func (l *lane) begin(now time.Time) {
	if l.backoff > 0 {
		l.resume = now.Add(l.backoff) // for the others
	}
}

// took enters a request that Tempo took.
func (l *lane) took(latency time.Duration) {
	l.taken++
	l.answered(latency)
	l.failing, l.why = time.Time{}, ""
}

// answered enters a request that Tempo took or refused for what is in it.
func (l *lane) answered(latency time.Duration) {
	l.backoff, l.resume = 0, time.Time{}
	if latency > slowLatency {
		l.halve()
		return
	}
	l.limit = min(l.limit+1/l.limit, l.most)
}

// failed enters a request that Tempo did not take, and that it wants to see
// again after a time, or did not say when.
func (l *lane) failed(retryAfter time.Duration, why string) {
	l.halve()
	l.backoff = min(max(2*l.backoff, backoffMin), backoffMax)
	now := time.Now()
	// from half to one and a half of it
	l.resume = later(l.resume, now.Add(l.backoff/2+rand.N(l.backoff)))
	if retryAfter > 0 {
		l.asked = later(l.asked, now.Add(retryAfter+rand.N(retryAfter/4+1)))
	}
	if l.failing.IsZero() {
		l.failing = now
	}
	l.why = why
}

// halve lowers the limit, once for all the requests that were in flight
// together.
func (l *lane) halve() {
	if time.Since(l.halved) > 100*time.Millisecond {
		l.limit = max(1, l.limit/2)
		l.halved = time.Now()
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// due takes the first of a queue whose time has come and that can go; else it
// returns how long to wait for one.
func due(queue *[]*shipment, now time.Time, can func(*shipment) bool) (*shipment, time.Duration) {
	wait := time.Duration(1<<63 - 1)
	for i, s := range *queue {
		if d := s.notBefore.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		if can(s) {
			*queue = append((*queue)[:i:i], (*queue)[i+1:]...)
			return s, 0
		}
	}
	return nil, wait
}
