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

const (
	mergeEvery = 15 * time.Second
	// A merge holds a page of each column of each source, and its dictionaries:
	// as much as its data or sourceMemory, whichever is less. In all a merge may
	// take mergeMemory for that, since blocks are made beside it.
	sourceMemory = 8 << 20
	mergeMemory  = 48 << 20
)

// merge makes few large blocks of many small ones, one merge at a time.
func (s *Store) merge(ctx context.Context) {
	for pause(ctx, min(mergeEvery, s.opt.MergeAfter)) {
		for _, tenant := range s.Tenants() {
			plan := s.plan(tenant, time.Now())
			if plan == nil {
				continue
			}
			err := s.mergeBlocks(ctx, plan)
			s.mu.Lock()
			for _, b := range plan.sources {
				b.merging = false
			}
			s.mu.Unlock()
			if err != nil && ctx.Err() == nil {
				s.trouble(err)
				s.log.Error("blocks could not be merged; they stay as they are, and it is tried again", "tenant", tenant, "blocks", len(plan.sources), "err", err)
			}
		}
	}
}

// plan is what one merge is to do.
type plan struct {
	tenant  string
	sources []*Block
	// younger are the blocks whose traces may still grow: what a source has of
	// these goes on waiting.
	younger []*Block
}

// plan says what of a tenant is to be merged now, nil for nothing. Blocks that
// were cut more than MergeAfter ago are, as soon as there are MergeAfter's worth
// of them, or enough for a block of full size or for the memory of a merge.
func (s *Store) plan(tenant string, now time.Time) *plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	var small []*Block
	for _, b := range s.of(tenant).blocks {
		if b.Lineage != nil && b.Meta.CompactionLevel == 0 {
			small = append(small, b)
		}
	}
	slices.SortFunc(small, func(a, b *Block) int { return a.cut().Compare(b.cut()) })
	p := &plan{tenant: tenant}
	bytes, memory := int64(0), int64(0)
	for _, b := range small {
		takes := min(b.Meta.Size, sourceMemory)
		fits := len(p.sources) == 0 || bytes+b.Meta.Size <= s.opt.MergedBytes && memory+takes <= mergeMemory
		if len(p.younger) > 0 || !fits || now.Sub(b.cut()) < s.opt.MergeAfter {
			p.younger = append(p.younger, b)
			continue
		}
		p.sources = append(p.sources, b)
		bytes += b.Meta.Size
		memory += takes
	}
	if len(p.sources) == 0 {
		return nil
	}
	full := len(p.younger) > 0 && now.Sub(p.younger[0].cut()) >= s.opt.MergeAfter
	if !full && now.Sub(p.sources[0].cut()) < 2*s.opt.MergeAfter {
		return nil
	}
	for _, b := range p.sources {
		b.merging = true
	}
	return p
}

// mergeBlocks carries a plan out: the traces of the sources go into one block,
// those that a younger block has as well into one that is merged again with it.
// What comes out is read back, and proven against the digests of the sources.
func (s *Store) mergeBlocks(ctx context.Context, p *plan) error {
	v := s.View(p.tenant) // so that none of them is deleted
	defer v.Close()
	done := &output{store: s, tenant: p.tenant, level: 1}
	defer done.discard()
	waiting := &output{store: s, tenant: p.tenant, level: 0}
	defer waiting.discard()
	if err := s.split(ctx, p, done, waiting); err != nil {
		return err
	}
	lineage := s.lineageOf(p.sources)
	var made []*proven
	for _, o := range []*output{done, waiting} {
		m, err := o.finish(ctx, lineage)
		if err != nil {
			return err
		}
		made = append(made, m...)
	}
	if err := proveMerge(p.sources, made); err != nil {
		return err
	}
	for _, m := range made {
		if err := writeLineage(s.fs, m.dir, m.lineage); err != nil {
			return err
		}
	}
	blocks, finish, err := s.place(ctx, p.tenant, p.sources, made)
	if err != nil {
		return err
	}
	s.replace(p, blocks, finish)
	return nil
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
		s.retire(&b.held, func() {
			if left--; left > 0 {
				return
			}
			s.finished(finish())
		})
	}
}

// lineageOf is where the spans of sources come from, as far as the spool may
// still have them.
func (s *Store) lineageOf(sources []*Block) Lineage {
	l := Lineage{Cut: sources[len(sources)-1].cut()}
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
