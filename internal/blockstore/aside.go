package blockstore

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"
)

// asideFor is for how long a block that cannot be read is not merged. Then it is
// tried again: the disk may give it.
const asideFor = time.Hour

// setAside finds out whether a merge failed because of some of its blocks, and
// keeps these from the next ones: one that is damaged must not hold up all that
// come after it. It stays where it is, and is not final.
func (s *Store) setAside(ctx context.Context, p *plan, why error) {
	if errors.Is(why, syscall.ENOSPC) || errors.Is(why, syscall.EDQUOT) {
		return
	}
	defer s.alone()()
	for _, b := range slices.Concat(p.sources, p.younger) {
		report, err := s.readBack(ctx, b.Dir)
		if ctx.Err() != nil {
			return
		}
		if err == nil && report.Digest != b.Lineage.Digest {
			err = errors.New("its spans are not those that were proven")
		}
		until := time.Time{}
		if err != nil {
			until = time.Now().Add(asideFor)
			s.trouble(err)
			s.log.Error("a block cannot be read, and others are merged without it", "tenant", p.tenant, "block", b.Meta.BlockID, "err", err)
		}
		s.mu.Lock()
		b.aside = until
		s.mu.Unlock()
	}
}
