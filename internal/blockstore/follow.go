package blockstore

import (
	"context"
	"errors"
	"math"
	"time"

	"appliance/internal/live"
	"appliance/internal/spool"
)

const (
	readPause = time.Second
	readTries = 5 // of a record that the disk does not give, before those behind it
	idle      = time.Hour
	cutBytes  = 256 << 20 // of the spool, of which one block is made at most
	maxLive   = 64 << 20  // that what waits takes; more stays unread, and is found by no query
)

// follow reads the spool behind its head into parts, and closes those that are
// due.
func (s *Store) follow(ctx context.Context) error {
	r := s.opt.Spool.NewReader()
	defer r.Close()
	var buf []byte
	failures, lost, reading := 0, 0, false
	for {
		waiting, stop := s.untilDue(ctx, reading)
		e, err := r.Next(waiting, buf)
		reading = err == nil
		due := waiting.Err() != nil
		stop()
		switch {
		case err == nil:
			failures = 0
			if n := r.Lost(); n != lost {
				lost = n
				s.closeAll()
			}
			s.take(e)
			buf = e.Payload[:0]
			if !s.awaitRoom(ctx) {
				return nil
			}
		case ctx.Err() != nil, errors.Is(err, spool.ErrClosed):
			return nil
		case due: // a part is to be closed
		default:
			s.trouble(err)
			s.log.Error("the spool cannot be read; trying again", "err", err)
			if failures++; failures%readTries == 0 {
				s.log.Error("what the disk does not give stays in the spool; it is read again later", "err", err)
				s.closeAll()
				s.skipped.skip(r, spool.Position{Segment: math.MaxUint64})
			}
			if !pause(ctx, readPause) {
				return nil
			}
		}
	}
}

// take puts a record into its tenant's open part.
func (s *Store) take(e spool.Entry) {
	if s.wasStored(e) {
		return
	}
	p := s.open(e.Tenant)
	if s.add(p, e) {
		s.mu.Lock()
		s.close(p)
		s.mu.Unlock()
	}
}

// add puts a record into a part, and says whether it is large enough then.
func (s *Store) add(p *part, e spool.Entry) (full bool) {
	before := p.Size().Memory
	if err := p.Add(e); err != nil {
		s.trouble(err)
		s.log.Error("a record of the spool is not what the receiver wrote", "err", err)
	}
	size := p.Size()
	s.mu.Lock()
	s.live += size.Memory - before
	s.mu.Unlock()
	return size.Spans >= s.opt.CutSpans || size.Bytes >= cutBytes
}

// open returns the part of a tenant to which records are added.
func (s *Store) open(tenant string) *part {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of(tenant)
	if n := len(t.parts); n > 0 && !t.parts[n-1].closed {
		return t.parts[n-1]
	}
	p := &part{Part: live.NewPart(tenant, s.opt.Spool)}
	t.parts = append(t.parts, p)
	return p
}

// close hands a part over to be made a block. s.mu is held.
func (s *Store) close(p *part) {
	if p.closed {
		return
	}
	p.closed = true
	s.full = append(s.full, p)
	s.grown()
}

// closeAll closes the open parts: the reader goes on behind something that is in
// none of them, and what the lineage of a block spans is in the block.
func (s *Store) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tenants {
		if n := len(t.parts); n > 0 && t.parts[n-1].Size().Records > 0 {
			s.close(t.parts[n-1])
		}
	}
}

// grown wakes who waits for closed parts. s.mu is held.
func (s *Store) grown() {
	close(s.cut)
	s.cut = make(chan struct{})
}

// closeDue closes the parts whose oldest record has waited long enough, and
// returns when to look again. While others wait to be made blocks, the open
// ones may as well grow; at the end of a run while the reader is behind.
func (s *Store) closeDue(now time.Time, reading bool) (next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next = now.Add(idle)
	behind := s.behind()
	for _, t := range s.tenants {
		n := len(t.parts)
		if n == 0 || t.parts[n-1].closed {
			continue
		}
		p := t.parts[n-1]
		size := p.Size()
		due := size.Oldest.Add(s.opt.CutAfter)
		switch {
		case size.Records == 0:
		case s.draining && !reading, !behind && !due.After(now):
			s.close(p)
		case behind:
			next = earlier(next, now.Add(s.opt.CutAfter/8))
		default:
			next = earlier(next, due)
		}
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// untilDue closes what is due, and returns a context that ends when something
// is again, or when the store is to be drained. reading: there was a record last.
func (s *Store) untilDue(ctx context.Context, reading bool) (context.Context, context.CancelFunc) {
	due := s.closeDue(time.Now(), reading)
	waiting, stop := context.WithDeadline(ctx, due)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = stop
	return waiting, stop
}

// awaitRoom waits while too much is live; false when ctx is done.
func (s *Store) awaitRoom(ctx context.Context) bool {
	for !s.makeRoom() {
		if !pause(ctx, readPause) {
			return false
		}
	}
	return true
}

// makeRoom says whether more records may be live. Where they may not, and no part
// waits to be made a block, it closes the largest: nothing is due while nothing is
// read.
func (s *Store) makeRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live < s.maxLive {
		return true
	}
	var largest *part
	most := int64(0)
	for _, t := range s.tenants {
		for _, p := range t.parts {
			switch size := p.Size(); {
			case p.guilty:
			case p.closed:
				return false
			case size.Memory > most:
				largest, most = p, size.Memory
			}
		}
	}
	if largest != nil {
		s.close(largest)
	}
	return false
}

// pause waits; false when ctx is done before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
