package blockstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"appliance/internal/live"
	"appliance/internal/spool"
)

// skippedPause is how long what the follower could not read is left alone.
const skippedPause = 10 * time.Minute

// skipped is where the follower passed over what the disk did not give. Nothing of
// it is in a part.
type skipped struct {
	gaps  []gap
	again time.Time // when it is read again, zero where there is none
}

// gap is from one record up to another.
type gap struct{ from, to spool.Position }

// skip has a reader pass over what it cannot read. What is from most on is not of the
// gap, though it may not be readable either. False: there is nothing behind it.
func (k *skipped) skip(r *spool.Reader, most spool.Position) bool {
	g := gap{from: r.Position()}
	r.Skip()
	if g.to = r.Position(); g.from.Compare(g.to) >= 0 {
		return false
	}
	if g.to.Compare(most) > 0 {
		g.to = most
	}
	k.gaps = append(k.gaps, g)
	k.again = time.Now().Add(skippedPause)
	return true
}

func (k *skipped) due(now time.Time) bool { return !k.again.IsZero() && !k.again.After(now) }

// readAgain makes parts of what the disk gives now.
func (s *Store) readAgain(k *skipped) {
	gaps := k.gaps
	*k = skipped{}
	for _, g := range gaps {
		if err := s.readGap(g, k); err != nil {
			s.trouble(err)
			s.log.Error("what the disk did not give is not given yet; it is read again later", "err", err)
		}
	}
}

// readGap makes parts of the records of a gap. What cannot be read is skipped once
// more.
func (s *Store) readGap(g gap, k *skipped) (failed error) {
	now, cancel := context.WithCancel(context.Background())
	cancel() // all of them are there
	r := s.opt.Spool.ReaderFrom(g.from)
	defer r.Close()
	parts, lost := map[string]*part{}, 0
	var buf []byte
	for r.Position().Compare(g.to) < 0 {
		e, err := r.Next(now, buf)
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, spool.ErrClosed):
			s.closeParts(parts)
			return failed
		case err != nil:
			failed = err
			s.closeParts(parts) // what the lineage of a block spans is in the block
			if !k.skip(r, g.to) {
				return failed
			}
			continue
		case e.Compare(g.to) >= 0:
			s.closeParts(parts)
			return failed
		}
		if n := r.Lost(); n != lost {
			lost = n
			s.closeParts(parts)
		}
		p := parts[e.Tenant]
		if p == nil || p.closed {
			p = s.openBeside(e.Tenant)
			parts[e.Tenant] = p
		}
		s.add(p, e)
		buf = e.Payload[:0]
	}
	s.closeParts(parts)
	return failed
}

// openBeside returns a part that stands before the one to which records are added.
func (s *Store) openBeside(tenant string) *part {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of(tenant)
	at := len(t.parts)
	if at > 0 && !t.parts[at-1].closed {
		at--
	}
	p := &part{Part: live.NewPart(tenant, s.opt.Spool)}
	t.parts = slices.Insert(t.parts, at, p)
	return p
}

// closeParts closes parts, and forgets them.
func (s *Store) closeParts(parts map[string]*part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		s.close(p)
	}
	clear(parts)
}
