package blockstore

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"appliance/internal/block"
)

const mergeEvery = 15 * time.Second

// merge makes few large blocks of many small ones, one merge at a time.
func (s *Store) merge(ctx context.Context) {
	for pause(ctx, min(mergeEvery, s.opt.MergeAfter)) {
		// One at a time of each tenant, so that none waits for all of another's.
		for again := true; again; {
			again = false
			for _, tenant := range s.Tenants() {
				again = s.mergeDue(ctx, tenant) || again
			}
		}
	}
}

// mergeDue carries out what of a tenant is to be merged now. It returns false
// where there is nothing, or nothing that can be done now.
func (s *Store) mergeDue(ctx context.Context, tenant string) bool {
	plan := s.plan(tenant, time.Now())
	if plan == nil || ctx.Err() != nil {
		return false
	}
	done, err := s.mergeBlocks(ctx, plan)
	if err != nil && ctx.Err() == nil {
		s.trouble(err)
		s.log.Error("blocks could not be merged; they stay as they are, and it is tried again", "tenant", tenant, "blocks", len(plan.sources), "err", err)
		s.setAside(ctx, plan, err)
	}
	s.mu.Lock()
	for _, b := range plan.sources {
		b.merging = false
	}
	s.mu.Unlock()
	return done && err == nil
}

// mergeBlocks carries a plan out: the traces of the sources go into one block,
// those that a younger block has as well into one that is merged again with it.
// What comes out is read back, and proven against the digests of the sources.
// It returns false where that would change nothing.
func (s *Store) mergeBlocks(ctx context.Context, p *plan) (bool, error) {
	defer s.alone()()
	defer s.hold(p.sources, p.younger)() // so that none of them is deleted
	done := &output{store: s, tenant: p.tenant, level: p.level + 1, stays: !p.again}
	defer done.discard()
	waiting := &output{store: s, tenant: p.tenant, level: levelCut}
	defer waiting.discard()
	if err := s.split(ctx, p, done, waiting); err != nil {
		return false, err
	}
	if done.merger == nil && len(p.sources) == 1 {
		return false, nil // it would be written again as it is
	}
	lineage := s.lineageOf(p.sources)
	var made []*proven
	for _, o := range []*output{done, waiting} {
		l := lineage
		if o == done {
			l.FirstCut, l.Again = earlier(p.sources[0].firstCut(), l.Cut), p.again
		} else {
			l.Waits = p.waits(time.Now())
		}
		m, err := o.finish(ctx, l)
		if err != nil {
			return false, err
		}
		made = append(made, m...)
	}
	if err := proveMerge(p.sources, made); err != nil {
		return false, err
	}
	for _, m := range made {
		if err := writeLineage(s.fs, m.dir, m.lineage); err != nil {
			return false, err
		}
	}
	blocks, finish, err := s.place(ctx, p.tenant, p.sources, made)
	if err != nil {
		return false, err
	}
	s.replace(p, blocks, finish)
	return true, nil
}

// replace puts merged blocks in the place of their sources, whose files go when
// no query reads them.
func (s *Store) replace(p *plan, blocks []*Block, finish func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of(p.tenant)
	t.blocks = slices.DeleteFunc(t.blocks, func(b *Block) bool { return slices.Contains(p.sources, b) })
	t.blocks = append(t.blocks, blocks...)
	slices.SortFunc(t.blocks, newestFirst)
	s.counts.merges++
	left := len(p.sources)
	for _, b := range p.sources {
		s.retire(&b.held, func() error {
			if left--; left > 0 {
				return nil
			}
			return finish()
		})
	}
}

// lineageOf is where the spans of sources come from, as far as the spool may
// still have them.
func (s *Store) lineageOf(sources []*Block) Lineage {
	var l Lineage
	for _, b := range sources {
		if b.cut().After(l.Cut) {
			l.Cut = b.cut()
		}
	}
	l.Cut = earlier(l.Cut, time.Now()) // the clock may have been ahead
	held := map[string]bool{}
	for _, seg := range s.opt.Spool.Status().Segments {
		held[strings.TrimSuffix(seg.Name, filepath.Ext(seg.Name))] = true
	}
	for _, b := range sources {
		l.Merged = append(l.Merged, b.Meta.BlockID)
		for _, r := range b.Lineage.Ranges {
			if held[r.Segment] {
				l.Ranges = append(l.Ranges, r)
			}
		}
	}
	return l
}

// proveMerge compares what came out, as it was read back, and what was removed
// with what went in.
func proveMerge(sources []*Block, made []*proven) error {
	var in, out, removed block.Digest
	for _, b := range sources {
		in.Add(b.Lineage.Digest)
	}
	for _, m := range made {
		out.Add(m.lineage.Digest)
		removed.Add(m.stats.Removed)
	}
	spans := out.Spans
	out.Add(removed)
	if in != out {
		return fmt.Errorf("prove a merge: %d spans and %d copies are not the %d spans of its %d sources", spans, removed.Spans, in.Spans, len(sources))
	}
	return nil
}
