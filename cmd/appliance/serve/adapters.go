package serve

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
	"appliance/receiver"
	"appliance/sampler"
)

// samplerFor is the sampler as the receiver wants it.
type samplerFor struct{ *sampler.Sampler }

func (s samplerFor) Sample(sp *otlpwire.Span, buf []byte) (otlpwire.Verdict, uint8, []byte) {
	v, reason, buf := s.Sampler.Sample(sp, buf)
	return v, uint8(reason), buf
}

// sinkTo keeps batches in the spool.
type sinkTo struct {
	*spool.Spool
	full     atomic.Pointer[full] // nil before it was
	refusing refusing
}

// full says until when nothing is tried, and why.
type full struct {
	until time.Time
	err   error
}

func (s *sinkTo) Ready() error {
	if f := s.full.Load(); f != nil && time.Now().Before(f.until) {
		return f.err
	}
	return nil
}

func (s *sinkTo) Keep(_ context.Context, b receiver.Batch) error {
	// A client that leaves does not stop what is being written: its spans are
	// kept and counted, and it sends them again.
	_, err := s.Append(spool.Record{Tenant: b.Tenant, Spans: b.Spans, Time: time.Now(), Payload: b.Payload})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, spool.ErrTooLarge) && len(b.Payload) > spool.MaxPayload:
		return &receiver.RejectedError{Spans: b.Spans, Reason: err.Error() + "; send smaller batches"}
	case errors.Is(err, spool.ErrTooLarge):
		return &receiver.RejectedError{Spans: b.Spans, Reason: err.Error() + "; raise spool.max_bytes or send smaller batches"}
	case errors.Is(err, spool.ErrFull), spool.DiskFull(err):
		refused := &receiver.UnavailableError{RetryAfter: fullRetry, Err: err}
		s.refusing.note(err, len(b.Payload))
		if len(b.Payload) <= usualPayload {
			s.full.Store(&full{time.Now().Add(fullFor), refused})
		}
		return refused
	case !errors.Is(err, spool.ErrClosed):
		s.refusing.note(err, len(b.Payload))
	}
	return &receiver.UnavailableError{Err: err}
}

// A full spool has room again when a segment of it is proven.
const (
	fullRetry    = 5 * time.Second // what clients are told to wait
	fullFor      = time.Second     // until a batch is tried again
	usualPayload = 1 << 20         // that a larger one does not fit says nothing of the others
)
