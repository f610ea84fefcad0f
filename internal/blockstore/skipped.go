package blockstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"appliance/internal/live"
	"appliance/internal/spool"
)

// skippedPause is how long what the follower could not read is left alone.
const skippedPause = 10 * time.Minute

// skipped is where the follower passed over what the disk did not give. Nothing of
// it is in a part.
type skipped struct {
	mu   sync.Mutex
	gaps []gap
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
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gaps = append(k.gaps, g)
	return true
}

// take returns so many of the gaps, those that were tried longest ago.
func (k *skipped) take(most int) []gap {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(most, len(k.gaps))
	gaps := slices.Clone(k.gaps[:n])
	k.gaps = slices.Delete(k.gaps, 0, n)
	return gaps
}

// readSkipped makes parts of what the disk gives by now of the gaps, until ctx is
// done. It goes on with the next gaps at once, unless the disk takes its time to give
// nothing.
func (s *Store) readSkipped(ctx context.Context) {
	for pause(ctx, skippedPause) {
		for failed := false; !failed; {
			gaps := s.skipped.take(readTries)
			if len(gaps) == 0 {
				break
			}
			for _, g := range gaps {
				if err := s.readGap(ctx, g); err != nil {
					failed = true
					s.trouble(err)
					s.log.Error("what the disk did not give is not given yet; it is read again later", "err", err)
				}
			}
		}
	}
}

// readGap makes parts of the records of a gap. What cannot be read is skipped once
// more.
func (s *Store) readGap(ctx context.Context, g gap) (failed error) {
	now, cancel := context.WithCancel(ctx)
	cancel() // all of them are there
	r := s.opt.Spool.ReaderFrom(g.from)
	defer r.Close()
	parts, lost := map[string]*part{}, 0
	defer func() { s.handOver(parts) }()
	var buf []byte
	for ctx.Err() == nil && r.Position().Compare(g.to) < 0 {
		e, err := r.Next(now, buf)
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, spool.ErrClosed), err == nil && e.Compare(g.to) >= 0:
			return failed
		case err != nil:
			failed = err
			s.handOver(parts) // what the lineage of a block spans is in the block
			if !s.skipped.skip(r, g.to) {
				return failed
			}
			continue
		}
		if n := r.Lost(); n != lost {
			lost = n
			s.handOver(parts)
		}
		if s.wasStored(e) {
			continue
		}
		p := parts[e.Tenant]
		if p == nil {
			p = s.beside(e.Tenant)
			parts[e.Tenant] = p
		}
		if s.add(p, e) {
			s.handOver(parts)
		}
		buf = e.Payload[:0]
	}
	return failed
}

// beside returns a part that is closed for all but the caller. It stands before the
// open one.
func (s *Store) beside(tenant string) *part {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of(tenant)
	at := len(t.parts)
	if at > 0 && !t.parts[at-1].closed {
		at--
	}
	p := &part{Part: live.NewPart(tenant, s.opt.Spool), closed: true}
	t.parts = slices.Insert(t.parts, at, p)
	return p
}

// handOver has blocks made of parts, and forgets them.
func (s *Store) handOver(parts map[string]*part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		s.full = append(s.full, p)
	}
	clear(parts)
	s.grown()
}
