package traceql

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrOverBudget is wrapped by an error which says that a query has used up what
// it may. The answer so far is right but not complete.
var ErrOverBudget = errors.New("query is over its budget")

// Budget bounds one query. A field that is 0 means its default. Time is bounded
// by the context that goes with each call. A Budget may be used by several
// goroutines, and must not be copied.
type Budget struct {
	// Bytes is how much may be read and decoded. The default is no bound.
	Bytes int64
	// Series bounds the series of a metrics query. The default is 10,000.
	Series int
	// Values bounds the values of each attribute that compare() counts, and the
	// distinct values that tag values collects. The default is 100,000.
	Values int
	// Steps bounds the points of each series. The default is 11,000.
	Steps int
	// Hold takes so many bytes of memory, about, for what is found; negative
	// gives back. An error that wraps ErrOverBudget means that there is no room:
	// the answer is what there is. nil: there is no bound.
	Hold func(bytes int64) error

	used atomic.Int64
}

const (
	defaultSeries = 10_000
	defaultValues = 100_000
	defaultSteps  = 11_000
)

// Read takes n bytes from the budget. Batches call it before they read.
func (b *Budget) Read(n int64) error {
	if b == nil || b.Bytes == 0 || b.used.Add(n) <= b.Bytes {
		return nil
	}
	return fmt.Errorf("%w: it reads more than %d bytes", ErrOverBudget, b.Bytes)
}

// hold takes memory for what is found.
func (b *Budget) hold(bytes int64) error {
	if b == nil || b.Hold == nil {
		return nil
	}
	return b.Hold(bytes)
}

func (b *Budget) series() int { return b.or(func() int { return b.Series }, defaultSeries) }
func (b *Budget) values() int { return b.or(func() int { return b.Values }, defaultValues) }
func (b *Budget) steps() int  { return b.or(func() int { return b.Steps }, defaultSteps) }

func (b *Budget) or(field func() int, value int) int {
	if b == nil || field() == 0 {
		return value
	}
	return field()
}

// Partial says why an answer is not complete. Empty: it is.
type Partial string

// partialFor tells an error that only makes an answer partial from others.
func partialFor(err error) (Partial, error) {
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, ErrOverBudget):
		return Partial(err.Error()), nil
	case errors.Is(err, context.DeadlineExceeded):
		return "the time for the query is over", nil
	default:
		return "", err
	}
}
