package blockstore

import (
	"errors"
	"fmt"

	"appliance/internal/spool"
)

// release gives up records that are in a block. After an error it may be called
// again; after a crash the next start finds them in their block.
func (s *Store) release(positions []spool.Position) error {
	var errs error
	for len(positions) > 0 {
		n := 1
		for n < len(positions) && positions[n].Segment == positions[0].Segment {
			n++
		}
		if err := s.opt.Spool.Release(positions[:n]...); err != nil {
			errs = errors.Join(errs, fmt.Errorf("release records of the spool: %w", err))
		}
		positions = positions[n:]
	}
	return errs
}
