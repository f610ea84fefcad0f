package main

import (
	"context"
	"errors"

	"appliance/forwarder"
	"appliance/internal/otlpwire"
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

// sinkTo hands batches to Tempo while the client waits.
type sinkTo struct{ f *forwarder.Direct }

func (s sinkTo) Keep(ctx context.Context, b receiver.Batch) error {
	err := s.f.Send(ctx, b.Tenant, b.Spans, b.Payload)
	var unavailable *forwarder.UnavailableError
	var rejected *forwarder.RejectedError
	switch {
	case errors.As(err, &unavailable):
		return &receiver.UnavailableError{RetryAfter: unavailable.RetryAfter, Err: unavailable.Err}
	case errors.As(err, &rejected):
		return &receiver.RejectedError{Spans: rejected.Spans, Reason: rejected.Reason}
	}
	return err
}
