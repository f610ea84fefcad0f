package receiver

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"appliance/internal/otlpwire"
	"appliance/internal/rules"
)

// maxInvalid bounds the values of otlpwire.Invalid.
const maxInvalid = 16

// answeredStatuses are the codes that the handler answers.
var answeredStatuses = [...]int{
	http.StatusOK, http.StatusNoContent, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
	http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
	http.StatusMisdirectedRequest, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusHTTPVersionNotSupported,
}

// Stats is what happened since New. Counts of spans and bytes are of requests
// answered 200; those of another request are not ours yet, its client will
// send them again or drop them. A request is counted once its fate is known.
type Stats struct {
	Received   uint64             // spans: Kept + SampledOut + Rejected() + RuledOut
	Kept       uint64             // spans that the Sink has kept
	SampledOut uint64             // spans that the Sampler did not keep
	Invalid    [maxInvalid]uint64 // spans by otlpwire.Invalid, answered as partial_success
	RuledOut   map[string]uint64  // spans that a rule dropped, by rule; all rules are there
	RuleEdits  map[string]uint64  // attributes and texts that a rule dropped, replaced or cut
	Refused    uint64             // spans the Sink can never keep, answered as partial_success
	// valid spans by the Sampler's reason: Kept + SampledOut + Refused
	Decisions Tally

	WireBytes uint64 // bodies as they were sent
	BodyBytes uint64 // bodies decompressed
	KeptBytes uint64 // payloads given to the Sink and kept

	// by HTTP status, from a fixed set; a gRPC status is under the one that means the same
	Requests map[int]uint64
	// what net/http refused by itself: no HTTP, 431, header too slow, ...
	NotRequests  uint64
	TLSFailures  uint64 // handshakes
	Panics       uint64 // recovered, answered 503
	ReloadErrors uint64 // changed token or TLS files that were of no use

	InflightBytes    int64 // now held of Config.InflightBytes
	InflightRequests int64
	Connections      int64
}

// Rejected returns the spans that were answered as partial_success.
func (s *Stats) Rejected() uint64 {
	n := s.Refused
	for _, invalid := range s.Invalid {
		n += invalid
	}
	return n
}

// ledger collects Stats. Spans are entered a request at a time under one lock,
// so that no snapshot can see half a request.
type ledger struct {
	mu     sync.Mutex
	totals Stats // without what stands below
	ruled  rules.Totals

	requests     [len(answeredStatuses)]atomic.Uint64
	notRequests  atomic.Uint64
	tlsFailures  atomic.Uint64
	panics       atomic.Uint64
	reloadErrors atomic.Uint64
	inflight     atomic.Int64
	connections  atomic.Int64
}

// entry is what one request adds to the ledger.
type entry struct {
	spans                           otlpwire.Counts
	refused                         int
	decisions                       Tally
	rules                           rules.Counts
	invalid                         [maxInvalid]uint64
	wireBytes, bodyBytes, keptBytes int
}

func (l *ledger) add(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.totals
	t.Received += uint64(e.spans.Spans + e.rules.Spans())
	l.ruled.Add(&e.rules)
	t.Kept += uint64(e.spans.Kept - e.refused)
	t.SampledOut += uint64(e.spans.Dropped)
	t.Refused += uint64(e.refused)
	for i, n := range e.decisions {
		t.Decisions[i] += n
	}
	if e.spans.Invalid > 0 {
		for i, n := range e.invalid {
			t.Invalid[i] += n
		}
	}
	t.WireBytes += uint64(e.wireBytes)
	t.BodyBytes += uint64(e.bodyBytes)
	t.KeptBytes += uint64(e.keptBytes)
}

func (l *ledger) answered(code int) { l.requests[statusIndex(code)].Add(1) }

func statusIndex(code int) int { return slices.Index(answeredStatuses[:], code) }

// Stats returns a consistent snapshot.
func (r *Receiver) Stats() Stats {
	l := &r.ledger
	l.mu.Lock()
	s := l.totals
	ruled := l.ruled
	l.mu.Unlock()
	s.RuledOut, s.RuleEdits = r.rules.Named(&ruled)
	s.Requests = make(map[int]uint64, len(answeredStatuses))
	for i, code := range answeredStatuses {
		s.Requests[code] = l.requests[i].Load()
	}
	s.NotRequests = l.notRequests.Load()
	s.TLSFailures = l.tlsFailures.Load()
	s.Panics = l.panics.Load()
	s.ReloadErrors = l.reloadErrors.Load()
	s.InflightBytes = r.memory.held.Load()
	s.InflightRequests = l.inflight.Load()
	s.Connections = l.connections.Load()
	return s
}
