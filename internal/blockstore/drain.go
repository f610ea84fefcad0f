package blockstore

import (
	"context"
	"time"
)

const drainEvery = 20 * time.Millisecond

// Drain returns once everything in the spool is in blocks that is decided, or
// ctx is done. It cuts what there is at once, so it is for the end of a run.
func (s *Store) Drain(ctx context.Context) error {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		s.mu.Lock()
		s.draining = true
		if s.interrupt != nil {
			s.interrupt()
		}
		s.mu.Unlock()
		if st := s.opt.Spool.Status(); st.Pending.Records <= st.Undecided.Records {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
