package forwarder

import (
	"fmt"
	"time"
)

// unavailableError says that Tempo did not take a request now and may take it later.
type unavailableError struct {
	retryAfter time.Duration // what Tempo asked for, 0 where it said nothing
	lost       bool          // the connection broke, so that Tempo may have ended
	limited    bool          // 429: above a rate, or a burst, that a smaller request may be below
	err        error
}

func (e *unavailableError) Error() string { return "tempo is unavailable: " + e.err.Error() }
func (e *unavailableError) Unwrap() error { return e.err }

// refusedError says that Tempo will not take a request as it is.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return "tempo refuses: " + e.reason }

// partialError says that Tempo took a request but for some spans, which it does not name.
type partialError struct {
	spans  int
	reason string // Tempo's own words
}

func (e *partialError) Error() string {
	return fmt.Sprintf("tempo rejected %d of the spans: %s", e.spans, e.reason)
}
