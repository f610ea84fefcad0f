package blockstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/google/uuid"

	"appliance/internal/block"
)

// digestKey is one for all blocks, so that the digests of a merge add up. It
// guards against faults, not against people.
const digestKey = 0x6170706c69616e63

// writer makes blocks of one tenant in staging: one, and another for what is
// too large of single traces.
type writer struct {
	store   *Store
	tenant  string
	level   int
	stays   bool // no merge follows
	builder *block.Builder
	dir     string  // in staging, of its own
	used    bool    // something was added
	over    *writer // nil until a trace is too large
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
	w := &writer{store: s, tenant: tenant, level: level, stays: stays, dir: s.path(stagingName, id)}
	opts := s.shape(tenant, id, w.dir, level, stays)
	opts.Overflow = w.overflow
	b, err := block.NewBuilder(opts)
	if err != nil {
		return nil, fmt.Errorf("begin a block: %w", err)
	}
	w.builder = b
	return w, nil
}

// overflow takes what the block cannot have of a single trace.
func (w *writer) overflow(record []byte) error {
	if w.over == nil {
		over, err := w.store.newWriter(w.tenant, w.level, w.stays)
		if err != nil {
			return err
		}
		w.over = over
	}
	return w.over.add(record)
}

func (w *writer) add(record []byte) error {
	w.used = true
	return w.builder.Add(record)
}

// finish writes the blocks, syncs them, and proves them. Nothing is returned
// where nothing was added.
func (w *writer) finish(ctx context.Context, lineage Lineage) ([]*proven, error) {
	if !w.used {
		return nil, nil
	}
	p, err := w.prove(ctx, lineage)
	if err != nil {
		return nil, err
	}
	made := []*proven{p}
	if w.over != nil {
		more, err := w.over.finish(ctx, lineage)
		if err != nil {
			return nil, err
		}
		made = append(made, more...)
	}
	return made, nil
}

// prove writes the block and reads it back: each span that was added must be
// in it, field by field.
func (w *writer) prove(ctx context.Context, lineage Lineage) (*proven, error) {
	meta, stats, err := w.builder.Finish(ctx)
	if err != nil {
		return nil, fmt.Errorf("write a block: %w", err)
	}
	p := &proven{dir: filepath.Join(w.dir, meta.TenantID, meta.BlockID), meta: meta, stats: stats, lineage: lineage}
	src := w.store.files(p.dir)
	defer src.Close()
	b, err := block.Open(ctx, src, block.Options{Memory: &w.store.memory})
	if err != nil {
		return nil, fmt.Errorf("read back block %s: %w", meta.BlockID, err)
	}
	report, err := b.Verify(ctx, digestKey)
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
	if w.over != nil {
		w.over.discard()
	}
	if w.store.commits.leaves(filepath.Base(w.dir)) {
		return
	}
	if err := errors.Join(w.builder.Abort(), removeAll(w.store.fs, w.dir)); err != nil {
		w.store.log.Warn("leftovers of a block stay until the next start", "dir", w.dir, "err", err)
	}
}
