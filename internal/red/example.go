package red

import (
	"sync"
	"time"

	"appliance/internal/otlpwire"
)

// Example is a span that was kept.
type Example struct {
	Trace    [16]byte
	Span     [8]byte
	Duration time.Duration
	Time     time.Time // when it ended
}

// example is one in a Tally.
type example struct {
	trace [16]byte
	span  [8]byte
	ns    uint64
	end   uint64 // unix nanoseconds
}

func (e *example) take(sp *otlpwire.Span, ns uint64) {
	copy(e.trace[:], sp.TraceID)
	copy(e.span[:], sp.SpanID)
	e.ns, e.end = ns, sp.EndTime
}

const (
	exampleEvery  = 2  // seconds between two that a series takes
	undecidedFor  = 60 // seconds for which one whose trace is undecided is not replaced
	shownExamples = 4  // of a series
)

// Verdict says whether a trace is kept. It must not block. known is false while
// that is undecided, and for a trace that is forgotten.
type Verdict func(trace [16]byte) (kept, known bool)

// examples of a series. Those that are shown are of traces that are kept for
// sure; the others wait for a verdict.
type examples struct {
	mu      sync.Mutex
	next    int64 // unix seconds: before, none is taken
	shown   [shownExamples]candidate
	waiting [shownExamples]candidate
}

type candidate struct {
	example
	at int64 // unix seconds when it came; 0: none
}

// offer takes an example, or not: a few are enough.
func (x *examples) offer(e *example, now int64, verdict Verdict) {
	if !x.mu.TryLock() {
		return
	}
	defer x.mu.Unlock()
	if now < x.next {
		return
	}
	x.next = now + exampleEvery
	c := candidate{*e, now}
	if verdict == nil {
		x.show(c)
		return
	}
	x.decide(verdict)
	for i := range x.waiting {
		if w := &x.waiting[i]; w.at == 0 || now-w.at > undecidedFor {
			*w = c
			return
		}
	}
}

// show replaces the oldest.
func (x *examples) show(c candidate) {
	oldest := 0
	for i := range x.shown {
		if x.shown[i].at < x.shown[oldest].at {
			oldest = i
		}
	}
	x.shown[oldest] = c
}

// decide shows those that wait and are kept, and forgets those that are not.
func (x *examples) decide(verdict Verdict) {
	for i := range x.waiting {
		w := &x.waiting[i]
		if w.at == 0 {
			continue
		}
		kept, known := verdict(w.trace)
		if known && kept {
			x.show(*w)
		}
		if known {
			w.at = 0
		}
	}
}

// list returns those that are shown, and not older than since.
func (x *examples) list(verdict Verdict, since int64) (out []Example) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if verdict != nil {
		x.decide(verdict)
	}
	for _, c := range x.shown {
		if c.at == 0 || c.at < since {
			continue
		}
		out = append(out, Example{c.trace, c.span, time.Duration(min(c.ns, 1<<62)), time.Unix(0, int64(min(c.end, 1<<62)))})
	}
	return out
}
