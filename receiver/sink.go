package receiver

import (
	"context"
	"fmt"
	"time"

	"appliance/internal/otlpwire"
)

// Batch is what is kept of one request.
type Batch struct {
	Tenant  string
	Spans   int
	Payload []byte // an ExportTraceServiceRequest; the receiver's, and only during the call
}

// Sink takes responsibility for batches. Keep is called concurrently and may
// block; the client waits meanwhile, and so do the bytes of its request. It
// returns nil only when the batch is kept for good, *RejectedError when a part
// can never be kept, and anything else, best *UnavailableError, when the client
// is to send the same again. ctx ends when the client is gone: a sink that by
// then has begun to keep the batch must go on until it knows, since what it
// keeps and the receiver does not know of is not accounted for.
//
// Ready is asked before a body is read. Its error is what Keep would say now to
// nearly any batch, so that a flood of requests that cannot be kept costs little.
type Sink interface {
	Ready() error
	Keep(ctx context.Context, b Batch) error
}

// UnavailableError: the batch is not kept now, but may be later.
type UnavailableError struct {
	RetryAfter time.Duration // 0: the receiver's default
	Err        error
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("keep batch: unavailable: %v", e.Err) }
func (e *UnavailableError) Unwrap() error { return e.Err }

// RejectedError: the batch is kept except for Spans of its spans, which never can be.
type RejectedError struct {
	Spans  int
	Reason string // for the client
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("keep batch: %d spans rejected: %s", e.Spans, e.Reason)
}

// Sampler decides about spans.
type Sampler interface {
	// Sample decides about one span. buf is scratch for the verdict's tracestate,
	// returned to be used again. reason is below MaxReasons; no reason is both one
	// to keep and one to drop. It is called concurrently, and must neither block
	// nor allocate.
	Sample(s *otlpwire.Span, buf []byte) (v otlpwire.Verdict, reason uint8, scratch []byte)
}

// MaxReasons bounds the reasons of a Sampler.
const MaxReasons = 16

// Tally counts spans by the Sampler's reason.
type Tally [MaxReasons]uint64
