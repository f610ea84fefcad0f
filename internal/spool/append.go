package spool

import "fmt"

// Append keeps a record: nil means that it is synced, and that it is read back
// until it is released. Any error means that it is not acknowledged; it may be
// on disk nevertheless if a sync failed. The payload is not copied, and no
// longer used once Append has returned. It waits for as long as the disk takes.
//
// The error is ErrFull at MaxBytes, ErrTooLarge, ErrClosed, or what the
// filesystem says; a later Append tries again.
func (s *Spool) Append(rec Record) (Position, error) {
	if len(rec.Payload) > MaxPayload {
		return Position{}, fmt.Errorf("append %d bytes: %w, the limit is %d", len(rec.Payload), ErrTooLarge, MaxPayload)
	}
	if len(rec.Tenant) > MaxTenant {
		return Position{}, fmt.Errorf("append for a tenant of %d bytes: %w, the limit is %d", len(rec.Tenant), ErrTooLarge, MaxTenant)
	}
	if rec.Spans < 0 || int64(rec.Spans) > 1<<32-1 {
		return Position{}, fmt.Errorf("append %d spans: %w", rec.Spans, ErrTooLarge)
	}
	if need := segmentHeader + headerSize + int64(len(rec.Tenant)+len(rec.Payload)) + footerRoom; need > s.opts.MaxBytes {
		return Position{}, fmt.Errorf("append %d bytes: %w for a spool of %d", len(rec.Payload), ErrTooLarge, s.opts.MaxBytes)
	}
	a := s.appender(rec)
	err := s.queue.push(a)
	if err == nil {
		err = <-a.done
	}
	pos := a.pos
	s.recycle(a)
	if err != nil {
		return Position{}, err
	}
	return pos, nil
}

func (s *Spool) appender(rec Record) *appender {
	a, ok := s.appenders.Get().(*appender)
	if !ok {
		a = &appender{done: make(chan error, 1)}
	}
	a.rec = rec
	a.size = headerSize + int64(len(rec.Tenant)+len(rec.Payload))
	a.sum = payloadSum(rec.Payload) // here, where it keeps nobody waiting
	return a
}

// recycle gives a back; nobody else may hold it any more.
func (s *Spool) recycle(a *appender) {
	a.rec, a.probe = Record{}, false
	s.appenders.Put(a)
}
