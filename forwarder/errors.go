package forwarder

import (
	"fmt"
	"time"
)

// UnavailableError says that Tempo did not take a batch now and may take it later.
type UnavailableError struct {
	RetryAfter time.Duration // what Tempo asked for, 0 where it said nothing
	Err        error
}

func (e *UnavailableError) Error() string { return "tempo is unavailable: " + e.Err.Error() }
func (e *UnavailableError) Unwrap() error { return e.Err }

// RejectedError says that Tempo will never take these spans.
type RejectedError struct {
	Spans  int
	Reason string // Tempo's own words
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("tempo rejected %d spans: %s", e.Spans, e.Reason)
}
