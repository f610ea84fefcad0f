package blockstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"appliance/internal/live"
	"appliance/internal/spool"
)

const (
	failedPause = time.Second
	maxPause    = 30 * time.Second
	guiltyPause = 10 * time.Minute
	splitAfter  = 3 // failures for a reason of its own, until a part is halved
)

// build makes blocks of closed parts, one at a time.
func (s *Store) build(ctx context.Context) {
	wait := failedPause
	for {
		p := s.nextPart(ctx)
		if p == nil {
			return
		}
		err := s.buildPart(ctx, p)
		switch {
		case err == nil:
			wait = failedPause
			continue
		case ctx.Err() != nil:
			return
		}
		s.trouble(err)
		s.log.Error("a block could not be made; its spans stay in the spool, and it is tried again", "tenant", p.Tenant(), "spans", p.Size().Spans, "err", err)
		if s.again(p, err); p.guilty {
			continue // it waits, and nobody else
		}
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, maxPause)
	}
}

// nextPart waits for a closed part that is decided; nil when ctx is done.
func (s *Store) nextPart(ctx context.Context) *part {
	for {
		s.mu.Lock()
		cut := s.cut
		p, moved, again := s.takeDecided(time.Now())
		s.mu.Unlock()
		if p != nil {
			return p
		}
		var due <-chan time.Time
		if !again.IsZero() {
			due = time.After(time.Until(again))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-cut:
		case <-moved:
		case <-due:
		}
	}
}

// again queues a part that failed. One whose records are the reason is halved
// until the guilty one is alone, so that it holds back no other. Where it is known
// which one that is, the part is divided there.
func (s *Store) again(p *part, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.failed++
	parts := []*part{p}
	var bad *unreadError
	known := errors.As(err, &bad)
	switch n := p.Size().Records; {
	case p.failed < splitAfter, diskRefuses(err) && !known:
	case n == 1:
		p.guilty = true
		p.after = time.Now().Add(min(failedPause<<min(p.failed, 10), guiltyPause))
	case known:
		parts = s.halve(p, max(1, bad.before))
	default:
		parts = s.halve(p, n/2)
	}
	s.full = append(s.full, parts...)
	s.grown()
}

// halve puts two closed parts in the place of one, the first with n records.
// s.mu is held.
func (s *Store) halve(p *part, n int) []*part {
	first, rest := p.Split(n)
	parts := []*part{{Part: first, closed: true}, {Part: rest, closed: true}}
	t := s.of(p.Tenant())
	at := slices.Index(t.parts, p)
	t.parts = slices.Replace(t.parts, at, at+1, parts...)
	s.retire(&p.held, func() error { return nil }) // who reads it may go on
	return parts
}

// buildPart makes a block of a part, proves it, and gives its records up.
func (s *Store) buildPart(ctx context.Context, p *part) error {
	defer s.alone()()
	w, err := s.newWriter(p.Tenant(), levelCut, false)
	if err != nil {
		return err
	}
	defer w.discard()
	spans, missing, err := copyRecords(ctx, p.Part, w)
	if err != nil {
		return err
	}
	if spans == 0 { // left out by tail sampling, or damaged, and counted so by the spool
		s.publish(p, nil)
		return nil
	}
	ranges, err := rangesOf(p.Positions(), missing, s.opt.Spool.SegmentName)
	if err != nil {
		return err
	}
	made, err := w.finish(ctx, Lineage{Cut: time.Now(), Ranges: ranges})
	if err != nil {
		return err
	}
	if len(made) > 0 && made[0].stats.Added != spans {
		return fmt.Errorf("prove block %s: it was made of %d spans, and the spool counts %d", made[0].meta.BlockID, made[0].stats.Added, spans)
	}
	if len(made) == 0 { // all of it is damaged, and counted so by the spool
		s.publish(p, nil)
		return nil
	}
	blocks, done, err := s.place(ctx, p.Tenant(), nil, made)
	if err != nil {
		return err
	}
	s.publish(p, blocks)
	s.finish(done)
	return nil
}

// alone waits until nothing else is made, where that is asked for. The caller calls
// done after.
func (s *Store) alone() (done func()) {
	if !s.opt.Alone {
		return func() {}
	}
	s.work.Lock()
	return s.work.Unlock
}

// unreadError says that the spool's disk does not give a record of a part.
type unreadError struct {
	before int // records of the part
	err    error
}

func (e *unreadError) Error() string { return e.err.Error() }
func (e *unreadError) Unwrap() error { return e.err }

// copyRecords gives the records of a part to w, and counts their spans. What the
// spool has lost to damage it has counted, and is missing.
func copyRecords(ctx context.Context, p *live.Part, w *writer) (spans int64, missing map[spool.Position]bool, err error) {
	missing = map[spool.Position]bool{}
	n := 0
	for e, err := range p.Records(ctx, 0) {
		if errors.Is(err, spool.ErrDamaged) || errors.Is(err, spool.ErrGone) {
			missing[e.Position] = true
			n++
			continue
		}
		if err != nil {
			return spans, missing, &unreadError{n, err}
		}
		if err := w.add(e.Payload); err != nil {
			return spans, missing, fmt.Errorf("add record %s to a block: %w", e.Position, err)
		}
		spans += int64(e.Spans)
		n++
	}
	return spans, missing, nil
}

// publish puts blocks in the place of a part, and gives its records up as soon
// as no query reads them.
func (s *Store) publish(p *part, blocks []*Block) {
	positions := p.Positions()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of(p.Tenant())
	t.parts = slices.DeleteFunc(t.parts, func(q *part) bool { return q == p })
	t.blocks = append(t.blocks, blocks...)
	slices.SortFunc(t.blocks, newestFirst)
	s.live -= p.Size().Memory
	for _, b := range blocks {
		s.counts.cut(b)
	}
	s.retire(&p.held, func() error { return s.release(positions) })
}

// diskRefuses says that an error is the disk's, so that other records would have
// met it too.
func diskRefuses(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EROFS)
}
