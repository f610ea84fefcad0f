package blockstore

import (
	"context"
	"slices"
	"time"

	"appliance/internal/wallclock"
)

const retainEvery = 10 * time.Second

// retain deletes blocks whose newest span came before the retention, by a clock
// that is not in doubt: nobody else has what it deletes. At a start it is, since
// nothing says what the time was before.
func (s *Store) retain(ctx context.Context) {
	if s.opt.Retention == 0 {
		return
	}
	start := time.Now()
	mono := func() time.Duration { return time.Since(start) }
	clock := wallclock.New(s.wall, mono, min(wallclock.Trial, s.opt.Retention), time.Time{})
	doubted := true
	for pause(ctx, min(retainEvery, s.opt.Retention/10)) {
		// The time is read before the clock is judged, so that no jump comes in between.
		now := s.wall()
		why := clock.Look()
		if why != "" && !doubted {
			s.log.Warn("no block is deleted by its age before the clock is trusted", "why", why)
		}
		if doubted = why != ""; doubted {
			continue
		}
		for _, tenant := range s.Tenants() {
			s.mu.Lock()
			var old []*Block
			for _, b := range s.of(tenant).blocks {
				if b.outlived(now, s.opt.Retention) && !b.merging {
					old = append(old, b)
				}
			}
			s.mu.Unlock()
			for _, b := range old {
				s.Delete(tenant, b.Meta.BlockID)
			}
		}
	}
}

// newest is from when on the age of a block counts. Spans of clients whose clock
// is ahead end after they came: such a block does not stay until then.
func (b *Block) newest() time.Time {
	if b.Lineage == nil {
		return b.Meta.EndTime
	}
	return b.cut()
}

// outlived says that a block is older than the retention. One of ours that is still
// to come was made while the clock was ahead: its age counts from when this process
// first had it.
func (b *Block) outlived(now time.Time, retention time.Duration) bool {
	newest := b.newest()
	if b.Lineage != nil && newest.After(now) {
		return time.Since(b.had) > retention
	}
	return now.Sub(newest) > retention
}

// Delete takes a block out of the store. Its files go when no query reads it.
// False: it is not here, or is being merged.
func (s *Store) Delete(tenant, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of(tenant)
	i := slices.IndexFunc(t.blocks, func(b *Block) bool { return b.Meta.BlockID == id })
	if i < 0 || t.blocks[i].merging {
		return false
	}
	b := t.blocks[i]
	t.blocks = slices.Delete(t.blocks, i, i+1)
	s.counts.deleted++
	s.retire(&b.held, func() error { return s.remove(b.Dir, id) })
	return true
}
