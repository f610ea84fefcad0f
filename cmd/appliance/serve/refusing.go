package serve

import (
	"errors"
	"sync/atomic"
	"time"

	"appliance/cmd/appliance/status"
	"appliance/internal/spool"
)

// refusal is why batches are not kept now.
type refusal struct {
	kind refusalKind
	err  error
	size int       // bytes of the batch that was refused
	at   time.Time // when that was last
}

type refusalKind int

const (
	spoolFull refusalKind = iota
	diskFull
	spoolBroken // it cannot be written
)

func (r *refusal) Error() string {
	text := status.RefusedPrefix + r.name()
	if r.kind == spoolBroken {
		text += ": " + r.err.Error()
	}
	return text
}

func (r *refusal) name() string {
	switch r.kind {
	case spoolFull:
		return "the spool is full"
	case diskFull:
		return "the disk of the spool is full"
	}
	return "the spool cannot be written"
}

// refusing remembers that batches are refused, until one of the same size would
// be kept: whoever is told that we are not ready sends none to find out with.
type refusing struct{ now atomic.Pointer[refusal] }

func newRefusal(err error, size int, at time.Time) *refusal {
	kind := spoolBroken
	switch {
	case errors.Is(err, spool.ErrFull):
		kind = spoolFull
	case spool.DiskFull(err):
		kind = diskFull
	}
	return &refusal{kind, err, size, at}
}

// note takes in why a batch of so many bytes was not kept.
func (r *refusing) note(err error, size int) { r.now.Store(newRefusal(err, size, time.Now())) }

// refusingFor is how long after the last refusal the spool is not asked whether
// it would keep a batch again. Under more load than leaves it, a full spool has
// room for a moment again and again.
const refusingFor = 2 * fullFor

// look asks the spool whether it would keep what it refused.
func (r *refusing) look(room func(size int) error) {
	was := r.now.Load()
	if was == nil || time.Since(was.at) < refusingFor {
		return
	}
	switch err := room(was.size); {
	case err == nil:
		r.now.CompareAndSwap(was, nil)
	case !errors.Is(err, spool.ErrClosed):
		r.now.CompareAndSwap(was, newRefusal(err, was.size, was.at))
	}
}
