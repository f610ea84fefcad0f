package spool

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"appliance/internal/durable"
)

// checkpointDue says that the state file is to be written now: releases have
// waited for long enough, or there is a segment to delete.
func (s *Spool) checkpointDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaved {
		return true
	}
	dirty := false
	for _, g := range s.segments {
		if !g.dirty {
			continue
		}
		if dirty = true; g.sealed && g.left() <= 0 {
			return true
		}
	}
	return dirty && s.opts.now().Sub(s.saved) >= s.opts.CheckpointEvery
}

// saveState moves the cursors up, makes them durable and then deletes the
// segments that are finished. Room for the state file is kept free for a full
// disk. Where somebody has taken that too it deletes them first: else the space
// would never come back, and a crash at that moment costs but sums.
func (s *Spool) saveState() error {
	s.checkpoint.Lock()
	defer s.checkpoint.Unlock()
	s.mu.Lock()
	segments := slices.Clone(s.segments)
	s.saved = s.opts.now()
	s.mu.Unlock()

	var errs []error
	for _, g := range segments {
		if err := s.moveLow(g); err != nil {
			errs = append(errs, err)
		}
	}
	s.doomFinished()
	err := s.writeState()
	var removed error
	if err == nil || DiskFull(err) {
		removed = s.removeDoomed()
	}
	if DiskFull(err) {
		err = s.writeState()
	}
	if err == nil {
		s.reserveState()
	}
	err = errors.Join(err, removed)
	s.mu.Lock()
	s.unsaved = err != nil // a segment that cannot be read stays dirty by itself
	s.mu.Unlock()
	return errors.Join(append(errs, err)...)
}

// DiskFull says that err, of an Append, is that the disk has no room, or that the
// quota of whoever runs this is used up. Space may come back at any time.
func DiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// doomFinished takes the segments that are finished out of those that are read.
func (s *Spool) doomFinished() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.DeleteFunc(s.segments, func(g *segment) bool {
		if !g.sealed || g.low.offset < g.end.offset {
			return false
		}
		g.lost = g.total.minus(g.released) // now exact, also where a header was lost
		g.gone = g.total
		clear(g.damage)
		s.doomed = append(s.doomed, g)
		return true
	})
}

// writeState writes the state file and its copy.
func (s *Spool) writeState() error {
	s.mu.Lock()
	st := s.sums
	st.Segments = slices.Clone(st.Segments)
	for _, g := range slices.Concat(s.doomed, s.segments) {
		if g.low != segmentStart {
			st.Segments = append(st.Segments, g.cursor())
		}
	}
	for _, g := range s.vanished {
		c, f := g.cursor(), g.fate()
		c.Vanished = &f
		st.Segments = append(st.Segments, c)
	}
	b, err := encodeState(st)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.replaceState(b); err != nil {
		return err
	}
	s.copyState(b)
	return nil
}

func (g *segment) cursor() cursor {
	return cursor{
		Segment: g.String(), Offset: g.low.offset, Index: g.low.index, Before: g.low.before,
		Released: g.released, Lost: g.lost,
	}
}

// removeDoomed deletes segments; what fails is tried again at the next checkpoint.
func (s *Spool) removeDoomed() error {
	var errs []error
	s.mu.Lock()
	doomed := slices.Clone(s.doomed)
	s.mu.Unlock()
	for _, g := range doomed {
		if err := durable.Remove(s.opts.FS, g.path); err != nil {
			errs = append(errs, fmt.Errorf("delete segment %s: %w", g.identity, err))
			continue
		}
		s.mu.Lock()
		s.doomed = slices.DeleteFunc(s.doomed, func(h *segment) bool { return h == g })
		s.bytes -= g.size
		s.sums.Released.addAll(g.released)
		s.sums.Lost.addAll(g.lost)
		s.mu.Unlock()
	}
	return errors.Join(errs...)
}

// moveLow moves a segment's cursor to the first record that is not done.
func (s *Spool) moveLow(g *segment) error {
	s.mu.Lock()
	if !g.dirty {
		s.mu.Unlock()
		return nil
	}
	f, err := g.acquire(s.opts.FS)
	if err != nil {
		s.mu.Unlock()
		return fmt.Errorf("read segment %s: %w", g.identity, err)
	}
	g.dirty = false
	w := g.walk(f, headerWindow)
	s.mu.Unlock()
	defer s.release(g)
	for {
		p, err := w.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			s.mu.Lock()
			g.dirty = true
			s.mu.Unlock()
			return fmt.Errorf("read segment %s: %w", g.identity, err)
		}
		if p.damaged {
			s.note(f, g, damageOf(g, p))
		}
		if !s.pass(g, p, w.at) {
			return nil
		}
	}
}

// pass moves the cursor of g over one piece to next, if it is done.
func (s *Spool) pass(g *segment, p piece, next mark) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.damaged && !g.done.has(p.index) {
		return false
	}
	if d, ok := g.damage[p.Offset]; ok {
		g.lost.add(d.Tenant, d.Lost)
		delete(g.damage, p.Offset)
	} else {
		g.released.add(p.tenant, p.counts())
	}
	g.low = next
	return true
}
