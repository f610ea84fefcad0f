package forwarder

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// resentReason says why spans are sent again.
type resentReason int

const (
	resentRestart resentReason = iota // Tempo ended with them in memory
	resentRefused                     // Tempo refused the request
)

var resentNames = [...]string{"tempo_restarted", "refused"}

// Stats are counts since the start, and the state now.
type Stats struct {
	Requests int64 `json:"requests"` // sent to Tempo
	// of these, not acknowledged, and other errors on the way
	Failures int64 `json:"failures"`
	// that Tempo acknowledged, again or for the first time
	AckedSpans  int64            `json:"acked_spans"`
	AckedBytes  int64            `json:"acked_bytes"`  // of OTLP
	ProvenSpans int64            `json:"proven_spans"` // that left the spool since they are safe
	Discarded   map[string]int64 `json:"discarded_spans"`
	ResentSpans int64            `json:"resent_spans"`
	Resent      map[string]int64 `json:"resent_by_reason"`
	// acknowledged by Tempo, and still in the spool with those beside them
	UnprovenSpans int64 `json:"unproven_spans"`

	InFlight  int       `json:"in_flight"`
	Limit     float64   `json:"limit"` // of InFlight, now
	LastError string    `json:"last_error,omitempty"`
	FailedAt  time.Time `json:"failed_at,omitzero"` // when LastError was
}

type counters struct {
	requests, failures, spans, bytes, proven, unproven, inFlight atomic.Int64
	again                                                        [len(resentNames)]atomic.Int64

	mu        sync.Mutex
	discards  map[string]int64
	lastError string
	failedAt  time.Time
}

func (c *counters) took(spans, bytes int) {
	c.spans.Add(int64(spans))
	c.bytes.Add(int64(bytes))
}

func (c *counters) resent(why resentReason, spans int) { c.again[why].Add(int64(spans)) }

func (c *counters) failed(err error) {
	c.failures.Add(1)
	c.trouble(err)
}

// trouble is an error that is no failed request.
func (c *counters) trouble(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastError, c.failedAt = err.Error(), time.Now()
}

func (c *counters) discarded(reason string, spans int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.discards == nil {
		c.discards = map[string]int64{}
	}
	c.discards[reason] += int64(spans)
}

// Stats returns the counts so far.
func (f *Forwarder) Stats() Stats {
	c := &f.stats
	s := Stats{
		Requests: c.requests.Load(), Failures: c.failures.Load(), AckedSpans: c.spans.Load(), AckedBytes: c.bytes.Load(),
		ProvenSpans: c.proven.Load(), UnprovenSpans: c.unproven.Load(), Resent: map[string]int64{},
	}
	for why, name := range resentNames {
		s.Resent[name] = c.again[why].Load()
		s.ResentSpans += s.Resent[name]
	}
	s.InFlight, s.Limit = int(c.inFlight.Load()), f.lanes.limit()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Discarded = maps.Clone(c.discards)
	s.LastError, s.FailedAt = c.lastError, c.failedAt
	return s
}
