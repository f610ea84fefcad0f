package blockstore

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"appliance/internal/block"
)

// output makes one of the blocks of a merge in staging, and another for what is
// too large of single traces. That one stays: no merge could put it together with
// the rest of its trace, and it would be written again with each.
type output struct {
	store  *Store
	tenant string
	level  int
	stays  bool          // no merge follows
	merger *block.Merger // nil until there is a trace
	dir    string        // in staging, of its own
	over   overflow
}

// add adds a trace that several blocks may have.
func (o *output) add(sources ...*block.MergeSource) error {
	if o.merger == nil {
		id := uuid.NewString()
		o.dir = o.store.path(stagingName, id)
		opts := o.store.shape(o.tenant, id, o.dir, o.level, o.stays)
		o.over = overflow{store: o.store, tenant: o.tenant, level: max(o.level, levelMerged), stays: true}
		opts.Overflow = o.over.add
		m, err := block.NewMerger(opts)
		if err != nil {
			o.store.clear(o.dir, nil)
			return fmt.Errorf("begin a block: %w", err)
		}
		o.merger = m
	}
	return o.merger.Add(sources...)
}

// finish writes the blocks, syncs them, and reads them back: the lineage has what
// was read. Nothing is returned where nothing was added.
func (o *output) finish(ctx context.Context, lineage Lineage) ([]*proven, error) {
	if o.merger == nil {
		return nil, nil
	}
	meta, stats, err := o.merger.Finish(ctx)
	if err != nil {
		return nil, fmt.Errorf("write a block: %w", err)
	}
	p := &proven{dir: filepath.Join(o.dir, meta.TenantID, meta.BlockID), meta: meta, stats: stats, lineage: lineage}
	report, err := o.store.readBack(ctx, p.dir)
	if err != nil {
		return nil, fmt.Errorf("prove block %s: %w", meta.BlockID, err)
	}
	p.lineage.Spans, p.lineage.Copies, p.lineage.Digest = report.Spans, stats.Copies, report.Digest
	lineage.Again, lineage.Waits = false, time.Time{}
	more, err := o.over.finish(ctx, lineage, stats.Overflowed)
	if err != nil {
		return nil, err
	}
	return append([]*proven{p}, more...), nil
}

// readBack reads everything of a block from the disk.
func (s *Store) readBack(ctx context.Context, dir string) (block.Report, error) {
	src := s.files(dir)
	defer src.Close()
	b, err := block.Open(ctx, src, block.Options{Memory: &s.memory})
	if err != nil {
		return block.Report{}, err
	}
	return b.Verify(ctx, digestKey)
}

// discard removes what is left in staging, but for what a commit may need.
func (o *output) discard() {
	o.over.discard()
	if o.merger == nil || o.store.commits.leaves(filepath.Base(o.dir)) {
		return
	}
	o.store.clear(o.dir, o.merger.Abort)
}
