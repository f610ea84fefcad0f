package spool

import (
	"cmp"
	"errors"
)

// Release gives up records, in any order: they are proven to be elsewhere. A
// record may be released again, also when its segment is gone. A segment of
// which everything is released is deleted.
//
// A release is effective at once, and durable after the next checkpoint in
// which all records before it in its segment are released too; after a crash
// before that, the record is read again. Checkpoints are made by Release when
// they are due, also by one without positions, and by Close.
//
// An error means that some of positions may not have been released; without
// positions, that the checkpoint failed, which the next one makes up for.
func (s *Spool) Release(positions ...Position) error {
	var errs []error
	onlyCheckpoint := len(positions) == 0
	for len(positions) > 0 {
		n := 1
		for n < len(positions) && positions[n].Segment == positions[0].Segment {
			n++
		}
		if err := s.releaseFrom(positions[:n]); err != nil {
			errs = append(errs, err)
		}
		positions = positions[n:]
	}
	if s.checkpointDue() {
		if err := s.saveState(); err != nil && onlyCheckpoint {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// releaseFrom releases positions of one segment. One that cannot be read now keeps
// no others.
func (s *Spool) releaseFrom(positions []Position) error {
	g, f, end, err := s.acquire(positions[0].Segment)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.release(g)
	w := g.walkTo(f, end)
	var failed error
	for _, pos := range positions {
		p, err := w.frameAt(pos)
		switch {
		case errors.Is(err, ErrGone):
		case errors.Is(err, ErrDamaged):
			s.mu.Lock()
			g.dirty = true // so that the next checkpoint passes over it, and notes it
			s.mu.Unlock()
		case err != nil:
			failed = cmp.Or(failed, err)
		default:
			left, err := s.leftOf(pos)
			if err != nil {
				failed = cmp.Or(failed, err)
				continue
			}
			s.markReleased(g, p, left)
		}
	}
	return failed
}

// markReleased counts a record as released, of which a Sieve has left out some
// spans.
func (s *Spool) markReleased(g *segment, p piece, left int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Offset < g.low.offset || g.done.has(p.index) {
		return
	}
	g.done.set(p.index)
	g.gone.add(p.tenant, p.counts())
	g.dirty = true
	if left > 0 {
		s.sift.sums.Pending[p.tenant] -= left
	}
}
