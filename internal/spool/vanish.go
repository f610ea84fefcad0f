package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"appliance/internal/durable"
)

// Look notices segments whose files somebody has deleted, moved or replaced
// while the spool is open. What was pending in one is counted as lost, and
// logged. A file that was replaced by a copy of itself is as good as before. It
// costs a system call a segment; call it every second or so. (An Append looks
// for itself, before it returns: it never acknowledges what is in no file that
// has a name.)
func (s *Spool) Look() {
	s.mu.Lock()
	segments := slices.Clone(s.segments)
	s.mu.Unlock()
	lost := false
	for _, g := range segments {
		if err := s.inPlace(g); errors.Is(err, errVanished) && !s.replaced(g) {
			lost = s.lose(g, err) || lost
		}
	}
	if !lost {
		return
	}
	if err := s.saveState(); err != nil {
		s.failed("save state", err)
	}
}

var errVanished = errors.New("somebody deleted or replaced its file")

// inPlace says whether the file of a segment is still the one with its name:
// errVanished if not, another error where that cannot be told.
func (s *Spool) inPlace(g *segment) error {
	info, err := s.opts.FS.Stat(g.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !durable.SameFile(info, g.info):
		return fmt.Errorf("segment %s: %w", g.identity, errVanished)
	case err != nil:
		return fmt.Errorf("look at segment %s: %w", g.identity, err)
	}
	return nil
}

// replaced says that a sealed segment's new file holds what the old one held,
// as one does that was copied and moved back, and goes on with that.
func (s *Spool) replaced(g *segment) bool {
	inv := &inventory{fsys: s.opts.FS, dir: s.dir, unfooted: make(map[*segment]surveyed)}
	now := newSegment(s.dir, g.identity)
	if err := inv.read(now); err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !g.sealed || now.end != g.end || now.total.Counts != g.total.Counts {
		return false
	}
	g.info = now.info
	s.log.Warn("spool: a segment was replaced by a copy of itself", "segment", g.String())
	return true
}

// lose takes a segment out whose file is gone. It is false if somebody else has,
// or if it was finished.
func (s *Spool) lose(g *segment, err error) bool {
	s.mu.Lock()
	i := slices.Index(s.segments, g)
	if i < 0 {
		s.mu.Unlock()
		return false
	}
	s.segments = slices.Delete(s.segments, i, i+1)
	s.vanished = append(s.vanished, g)
	g.vanished = true
	s.bytes -= g.size
	rest := g.total.minus(g.gone)
	s.lastErr = err
	s.wakeReaders()
	s.mu.Unlock()
	s.log.Error("spool: a segment is gone, and what was in it is lost", "segment", g.String(),
		"records", rest.Records, "spans", rest.Spans, "err", err)
	return true
}

// fate is what became of all that was in a segment.
type fate struct {
	Released Tally `json:"released"`
	Lost     Tally `json:"lost"`
}

// fate counts what is pending in a segment without a file as lost. s.mu is held.
func (g *segment) fate() fate {
	lost := g.lostSoFar()
	f := fate{Released: g.gone.minus(lost), Lost: lost}
	f.Lost.addAll(g.total.minus(g.gone))
	return f
}

// dropVanished ends the active segment if its file is gone. Only the writer
// calls it.
func (s *Spool) dropVanished() {
	if s.active == nil {
		return
	}
	s.mu.Lock()
	vanished := s.active.vanished
	s.mu.Unlock()
	if vanished {
		s.retire(nil)
	}
}
