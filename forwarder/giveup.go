package forwarder

import (
	"errors"
	"fmt"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

// readStuck is read for a stuck record.
func (s *shipment) readStuck(log *spool.Spool, visit func(e spool.Entry, first int) error) error {
	e, err := log.Stuck().Read(s.entry)
	if errors.Is(err, spool.ErrDamaged) || errors.Is(err, spool.ErrGone) {
		s.lose(0, s.spans)
		return nil
	}
	if err != nil {
		return err
	}
	if e.Spans != s.spans {
		return fmt.Errorf("stuck record %s has changed", s.entry)
	}
	if err := visit(spool.Entry{Record: e.Record}, 0); err != nil {
		return fmt.Errorf("scan stuck record %s: %w", s.entry, err)
	}
	return nil
}

// giveUp releases the records of a shipment of which everything is proven, but
// for spans that it sets aside.
func (s *shipment) giveUp(log *spool.Spool) error {
	if s.entry == "" && len(s.stuck) == 0 {
		return log.Release(s.positions()...)
	}
	var asides []spool.Aside
	err := s.read(log, func(e spool.Entry, i int) error {
		a := spool.Aside{Record: e.Record, Origin: e.Position}
		next := i
		out, n, err := wire.Filter(nil, e.Payload, func(*otlpwire.Span) otlpwire.Verdict {
			why, keep := s.isStuck(next)
			if next++; keep {
				a.Why = why
			}
			return otlpwire.Verdict{Keep: keep}
		})
		if err != nil || n.Kept == 0 {
			return err
		}
		if n.Unchanged {
			out = append([]byte(nil), out...) // it is the buffer that the next record is read to
		}
		a.Payload, a.Spans = out, n.Kept
		asides = append(asides, a)
		return nil
	})
	switch {
	case err != nil:
		return err
	case s.entry != "" && s.damaged > 0:
		return nil // the spool counts it
	case s.entry == "":
		return log.Stuck().Keep(asides, s.positions()...)
	case len(asides) > 0:
		err = log.Stuck().Replace(s.entry, asides[0].Record, asides[0].Why)
	default:
		err = log.Stuck().Replace(s.entry, spool.Record{}, "")
	}
	if errors.Is(err, spool.ErrGone) {
		return nil // somebody has dropped it
	}
	return err
}

func (s *shipment) isStuck(i int) (why string, is bool) {
	at := s.stuckFrom(i)
	if at == len(s.stuck) || s.stuck[at].number != i {
		return "", false
	}
	return s.stuck[at].why, true
}
