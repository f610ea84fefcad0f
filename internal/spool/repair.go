package spool

import (
	"errors"
	"os"
)

// repair seals a segment that has no footer, because its writer died, a sync
// failed, or the footer is damaged. What is torn or damaged is copied to
// quarantine before the tail is cut off. A segment that cannot be repaired now
// is left as it is: it can be read, and the next Open tries again.
func (s *Spool) repair(g *segment, found surveyed) {
	f, err := s.opts.FS.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		s.failed("repair segment", err)
		return
	}
	for _, d := range found.damage {
		s.note(f, g, d)
	}
	if g.end == segmentStart {
		// Nothing in it, so nothing to keep: finished, and deleted with the state.
		if err := f.Close(); err != nil {
			s.failed("close segment", err)
		}
		return
	}
	// First the frames, then the footer that vouches for them: some were
	// perhaps never synced.
	if err = f.Sync(); err == nil {
		g.size, err = seal(f, g, found.claim)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		s.failed("seal segment", err)
	}
}
