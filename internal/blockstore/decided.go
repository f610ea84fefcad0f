package blockstore

import (
	"slices"
	"sort"
	"time"
)

// takeDecided takes the first closed part of whose records the spool knows what
// is left of them; without tail sampling, the first one. Where there is none, the
// channel is closed when that may have changed, and a part is to be tried again at
// a time, if that is not zero. s.mu is held.
func (s *Store) takeDecided(now time.Time) (p *part, moved <-chan struct{}, again time.Time) {
	for i, p := range s.full {
		if p.after.After(now) {
			if again.IsZero() || p.after.Before(again) {
				again = p.after
			}
			continue
		}
		decided, changes := s.opt.Spool.Decided(p.Last())
		if !decided && s.draining {
			decided = s.cutAtGate(i)
			p = s.full[i]
		}
		if decided {
			s.full = slices.Delete(s.full, i, i+1)
			return p, nil, again
		}
		moved = changes
	}
	return nil, moved, again
}

// cutAtGate splits the ith closed part before its first record that is not
// decided, so that a stop need not wait for it. It is false if nothing of it is
// decided. s.mu is held.
func (s *Store) cutAtGate(i int) bool {
	p := s.full[i]
	positions := p.Positions()
	n := sort.Search(len(positions), func(k int) bool {
		decided, _ := s.opt.Spool.Decided(positions[k])
		return !decided
	})
	if n == 0 {
		return false
	}
	if n < len(positions) {
		s.full = slices.Replace(s.full, i, i+1, s.halve(p, n)...)
	}
	return true
}

// behind says whether closed parts wait for nothing but being made blocks. s.mu
// is held.
func (s *Store) behind() bool {
	return slices.ContainsFunc(s.full, func(p *part) bool {
		if p.guilty {
			return false
		}
		decided, _ := s.opt.Spool.Decided(p.Last())
		return decided
	})
}
