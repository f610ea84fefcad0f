package main

import (
	"context"
	"errors"
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

func (s samplerFor) Commit(t *receiver.Tally) { s.Sampler.Commit((*sampler.Tally)(t[:])) }

// sinkTo keeps batches in the spool.
type sinkTo struct{ *spool.Spool }

func (s sinkTo) Keep(_ context.Context, b receiver.Batch) error {
	// A client that leaves does not stop what is being written: its spans are kept and counted, and it sends them again.
	_, err := s.Append(spool.Record{Tenant: b.Tenant, Spans: b.Spans, Time: time.Now(), Payload: b.Payload})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, spool.ErrTooLarge) && len(b.Payload) > spool.MaxPayload:
		return &receiver.RejectedError{Spans: b.Spans, Reason: err.Error() + "; send smaller batches"}
	case errors.Is(err, spool.ErrTooLarge):
		return &receiver.RejectedError{Spans: b.Spans, Reason: err.Error() + "; raise spool.max_bytes or send smaller batches"}
	case errors.Is(err, spool.ErrFull):
		return &receiver.UnavailableError{RetryAfter: fullRetry, Err: err}
	}
	return &receiver.UnavailableError{Err: err}
}

// fullRetry is what clients are told to wait while the spool is full.
const fullRetry = 5 * time.Second
