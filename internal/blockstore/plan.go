package blockstore

import (
	"slices"
	"time"
)

// The levels of blocks. One of a Tempo or a person has a level of its own, and
// is never merged.
const (
	levelCut    = 0 // made of the spool, or of traces that go on waiting
	levelMerged = 1
	levelTwice  = 2
)

const (
	// A merge holds a page of each column of each source, and its dictionaries.
	// These are small in blocks that are to be merged (shape.go), so a source takes
	// sourceLeast and some of its size, or sourceMost. In all a merge may take
	// mergeMemory for that, since blocks are made beside it.
	sourceLeast = 1 << 20
	sourceMost  = 5 << 20
	mergeMemory = 48 << 20
)

// memory is about how much a block takes as the source of a merge.
func (b *Block) memory() int64 { return min(sourceLeast+2*b.Meta.Size, sourceMost) }

// waitsMost bounds how long a trace waits for its end, in times of MergeAfter. One
// that goes on for longer is in several blocks, so that it is archived, and does
// not grow in each merge.
const waitsMost = 12

// plan is what one merge is to do.
type plan struct {
	tenant  string
	level   int // of the sources
	sources []*Block
	// younger are the blocks of the time after whose traces may still grow: what a
	// source has of these goes on waiting.
	younger []*Block
	// late: the traces of a source that have waited since before then wait no more.
	late time.Time
	// again: what comes out is merged once more. It has less than its time's
	// worth, since a merge takes only so many sources.
	again bool
}

// plan says what of a tenant is to be merged now, nil for nothing.
func (s *Store) plan(tenant string, now time.Time) *plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.planCut(tenant, now)
	if p == nil {
		p = s.planMerged(tenant, now)
	}
	if p == nil {
		return nil
	}
	p.late = now.Add(-waitsMost * s.opt.MergeAfter)
	for _, b := range p.sources {
		b.merging = true
	}
	return p
}

// planCut plans the first merge. Blocks that were cut more than MergeAfter ago
// are merged, as soon as there are MergeAfter's worth of them, or enough for a
// block of full size or for the memory of a merge. s.mu is held.
func (s *Store) planCut(tenant string, now time.Time) *plan {
	p := &plan{tenant: tenant, level: levelCut}
	bytes, full := s.gather(p, now, func(b *Block) bool { return now.Sub(b.cutBy(now)) >= s.opt.MergeAfter })
	if len(p.sources) == 0 {
		return nil
	}
	if !full && now.Sub(p.sources[0].cutBy(now)) < 2*s.opt.MergeAfter {
		return nil
	}
	p.again = full && p.time()+s.opt.CutAfter < s.opt.MergeAfter && bytes < s.opt.MergedBytes/2
	return p
}

// planMerged plans the second merge, of blocks for which the first took less
// than MergeAfter's worth: as soon as they have that together, or enough for a
// block of full size or for the memory of a merge, or as nothing has come beside
// them for long. s.mu is held.
func (s *Store) planMerged(tenant string, now time.Time) *plan {
	p := &plan{tenant: tenant, level: levelMerged}
	_, full := s.gather(p, now, func(*Block) bool { return true })
	if len(p.sources) == 0 {
		return nil
	}
	waited := now.Sub(p.sources[0].cutBy(now))
	if !full && p.time()+s.opt.CutAfter < s.opt.MergeAfter && waited < 4*s.opt.MergeAfter {
		return nil
	}
	p.younger = nil // each trace was whole when it was merged
	return p
}

// gather puts the oldest blocks of the plan's level into its sources, as many as
// one merge may have, and those that follow into younger. full: the first that
// follows is due as well. s.mu is held.
func (s *Store) gather(p *plan, now time.Time, due func(*Block) bool) (bytes int64, full bool) {
	var all []*Block
	for _, b := range s.of(p.tenant).blocks {
		if !b.merged() && b.Meta.CompactionLevel == p.level && now.After(b.aside) {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b *Block) int { return a.cutBy(now).Compare(b.cutBy(now)) })
	memory := int64(0)
	for _, b := range all {
		// Two at least, so that what waits for the next one moves on.
		fits := len(p.sources) < 2 || bytes+b.Meta.Size <= s.opt.MergedBytes && memory+b.memory() <= s.mergeMemory
		if len(p.younger) > 0 || !fits || !due(b) {
			p.younger = append(p.younger, b)
			continue
		}
		p.sources = append(p.sources, b)
		bytes += b.Meta.Size
		memory += b.memory()
	}
	full = len(p.younger) > 0 && due(p.younger[0])
	if len(p.sources) > 0 {
		p.younger = p.younger[:s.within(p.younger, p.sources[len(p.sources)-1].cutBy(now), now)]
	}
	return bytes, full
}

// within is how many of the blocks, oldest first, were cut so soon after a time
// that a trace of both has not paused. Those that come later are not asked, so
// that a merge opens few, however many there are.
func (s *Store) within(blocks []*Block, cut, now time.Time) int {
	end := cut.Add(s.opt.MergeAfter + s.opt.CutAfter)
	if i := slices.IndexFunc(blocks, func(b *Block) bool { return b.cutBy(now).After(end) }); i >= 0 {
		return i
	}
	return len(blocks)
}

// isLate says that the traces of a source have waited for too long.
func (p *plan) isLate(b *Block) bool {
	return !b.Lineage.Waits.IsZero() && b.Lineage.Waits.Before(p.late)
}

// waits is since when the traces of its sources have waited that go on waiting.
func (p *plan) waits(now time.Time) time.Time {
	oldest := now
	for _, b := range p.sources {
		if since := b.Lineage.Waits; !since.IsZero() && !p.isLate(b) {
			oldest = earlier(oldest, since)
		}
	}
	return oldest
}

// time is how long it took to cut the sources.
func (p *plan) time() time.Duration {
	last := p.sources[len(p.sources)-1]
	return last.cut().Sub(p.sources[0].firstCut())
}
