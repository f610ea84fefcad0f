package querier

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"appliance/internal/blockstore"
)

// snapshot is where the spans of a tenant are at one moment. Each is in one of
// the units.
type snapshot struct {
	q       *Querier
	tenant  string
	view    *blockstore.View // nil without a store
	blocks  []*openBlock
	units   []*unit // of blocks, the newest end first
	missing []string
	bad     []error // of records that are in no block
}

// snapshot takes the view of the store first and the list of the archive then: a
// block that is archived and deleted in between is in both, and never in none.
// Close it.
func (q *Querier) snapshot(ctx context.Context, tenant string) (*snapshot, error) {
	s := &snapshot{q: q, tenant: tenant}
	var local map[string]bool
	after := time.Time{}
	if q.opt.Store != nil {
		s.view = q.opt.Store.View(tenant)
		q.live.retain(tenant, s.view.Live)
		n := len(s.view.Blocks)
		local, s.units, s.blocks = make(map[string]bool, n), make([]*unit, 0, n), make([]*openBlock, 0, n)
		for _, b := range s.view.Blocks {
			local[b.Meta.BlockID] = true
			u, open := q.storeUnit(tenant, b)
			s.units, s.blocks = append(s.units, u), append(s.blocks, open)
		}
		after = q.deletions.last(q.opt.Store.Status().Deleted)
	}
	if q.opt.Archive == nil {
		return s, nil
	}
	archived, missing, err := q.opt.Archive.Blocks(ctx, tenant, after)
	if ctx.Err() != nil {
		s.close()
		return nil, ctx.Err()
	}
	if err != nil {
		missing = append(slices.Clone(missing), err.Error())
	}
	s.missing = append(s.missing, missing...)
	for _, b := range archived {
		if local[b.ID.String()] && !b.Twin {
			continue
		}
		u, open := q.archiveUnit(tenant, b)
		s.units, s.blocks = append(s.units, u), append(s.blocks, open)
	}
	sortUnits(s.units)
	return s, nil
}

func (s *snapshot) close() {
	for _, b := range s.blocks {
		s.q.opened.put(b)
	}
	s.blocks = nil
	if s.view != nil {
		s.view.Close()
	}
}

// withLive are all units, those of the live spans among them.
func (s *snapshot) withLive(ctx context.Context) ([]*unit, error) {
	units := slices.Clone(s.units)
	if s.view == nil {
		return units, nil
	}
	for _, part := range s.view.Live {
		chunks, err := s.q.live.of(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("read the spans of tenant %s that are in no block yet: %w", s.tenant, err)
		}
		for _, c := range chunks {
			s.bad = append(s.bad, c.bad...)
			units = append(units, liveUnit(s.tenant, c))
		}
	}
	sortUnits(units)
	return units, nil
}

func sortUnits(units []*unit) {
	slices.SortStableFunc(units, func(a, b *unit) int {
		return cmp.Or(cmp.Compare(b.end, a.end), cmp.Compare(a.key, b.key))
	})
}

// deletions knows when the store was last seen to have deleted a block. A list
// of the archive that is older may lack it.
type deletions struct {
	mu    sync.Mutex
	count int64
	seen  time.Time
}

// last is when a deletion was last noticed. count is how many there were.
func (d *deletions) last(count int64) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if count != d.count {
		d.count, d.seen = count, time.Now()
	}
	return d.seen
}
