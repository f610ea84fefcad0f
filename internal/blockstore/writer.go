package blockstore

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/google/uuid"

	"appliance/internal/block"
)

// digestKey is one for all blocks, so that the digests of a merge add up. It
// guards against faults, not against people.
const digestKey = 0x6170706c69616e63

// writer makes a block of one tenant in staging, and others for what is too
// large of single traces.
type writer struct {
	store   *Store
	builder *block.Builder
	dir     string // in staging, of its own
	used    bool   // something was added
	over    overflow
	meta    *block.Meta // nil until it is written
	stats   block.Stats
}

// proven is a block in staging that was read back and found right.
type proven struct {
	dir     string
	meta    *block.Meta
	lineage Lineage
	stats   block.Stats
}

func (s *Store) newWriter(tenant string, level int, stays bool) (*writer, error) {
	id := uuid.NewString()
	w := &writer{
		store: s, dir: s.path(stagingName, id),
		over: overflow{store: s, tenant: tenant, level: level, stays: stays},
	}
	opts := s.shape(tenant, id, w.dir, level, stays)
	opts.Overflow = w.over.add
	b, err := block.NewBuilder(opts)
	if err != nil {
		s.clear(w.dir, nil)
		return nil, fmt.Errorf("begin a block: %w", err)
	}
	w.builder = b
	return w, nil
}

func (w *writer) add(record []byte) error {
	w.used = true
	return w.builder.Add(record)
}

// write writes and syncs the block, unless it is written.
func (w *writer) write(ctx context.Context) (err error) {
	if w.meta != nil {
		return nil
	}
	if w.meta, w.stats, err = w.builder.Finish(ctx); err != nil {
		return fmt.Errorf("write a block: %w", err)
	}
	return nil
}

// finish writes the blocks, and proves them. Nothing is returned where nothing
// was added.
func (w *writer) finish(ctx context.Context, lineage Lineage) ([]*proven, error) {
	if !w.used {
		return nil, nil
	}
	if err := w.write(ctx); err != nil {
		return nil, err
	}
	p, err := w.prove(ctx, lineage)
	if err != nil {
		return nil, err
	}
	more, err := w.over.finish(ctx, lineage, w.stats.Overflowed)
	if err != nil {
		return nil, err
	}
	return append([]*proven{p}, more...), nil
}

// prove reads the block back: each span that was added must be in it, field by
// field.
func (w *writer) prove(ctx context.Context, lineage Lineage) (*proven, error) {
	meta, stats := w.meta, w.stats
	p := &proven{dir: filepath.Join(w.dir, meta.TenantID, meta.BlockID), meta: meta, stats: stats, lineage: lineage}
	report, err := w.store.readBack(ctx, p.dir)
	if err != nil {
		return nil, fmt.Errorf("prove block %s: %w", meta.BlockID, err)
	}
	if err := proveBuild(stats, report); err != nil {
		return nil, fmt.Errorf("prove block %s: %w", meta.BlockID, err)
	}
	p.lineage.Spans, p.lineage.Copies, p.lineage.Digest = stats.Spans, stats.Copies, stats.Digest
	return p, writeLineage(w.store.fs, p.dir, p.lineage)
}

// proveBuild compares what was read back with what was to be written.
func proveBuild(stats block.Stats, report block.Report) error {
	if report.Digest != stats.Digest || report.Spans != stats.Spans || stats.Added != stats.Spans+stats.Copies+stats.Overflowed {
		return fmt.Errorf("its %d spans are not the %d that were written, of %d without %d copies and %d of large traces",
			report.Spans, stats.Spans, stats.Added, stats.Copies, stats.Overflowed)
	}
	return nil
}

// discard removes what is left in staging, but for what a commit may need.
func (w *writer) discard() {
	w.over.discard()
	if w.store.commits.leaves(filepath.Base(w.dir)) {
		return
	}
	w.store.clear(w.dir, w.builder.Abort)
}
