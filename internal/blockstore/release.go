package blockstore

import "appliance/internal/spool"

// release gives up records that are in a block. Where the spool cannot, it is tried
// again; after a crash the next start finds them in their block.
func (s *Store) release(positions []spool.Position) {
	for len(positions) > 0 {
		n := 1
		for n < len(positions) && positions[n].Segment == positions[0].Segment {
			n++
		}
		if err := s.opt.Spool.Release(positions[:n]...); err != nil {
			s.trouble(err)
			s.log.Error("the spool cannot give up records that are in a block; it is tried again", "err", err)
			s.mu.Lock()
			s.kept = append(s.kept, positions[:n]...)
			s.mu.Unlock()
		}
		positions = positions[n:]
	}
}

// releaseAgain tries once more what could not be released, and says whether that
// is all of it now.
func (s *Store) releaseAgain() bool {
	s.mu.Lock()
	positions := s.kept
	s.kept = nil
	s.mu.Unlock()
	s.release(positions)
	return s.unreleased() == 0
}

// unreleased is how many records of blocks the spool could not give up yet.
func (s *Store) unreleased() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}
