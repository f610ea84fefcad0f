package blockstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"appliance/internal/block"
)

// writer makes one block of one tenant in staging.
type writer struct {
	store   *Store
	builder *block.Builder
	dir     string // staging directory of its own
	level   int
	merged  []string
}

// proven is a block in staging that was read back and found right.
type proven struct {
	dir     string
	meta    *block.Meta
	lineage Lineage
	digest  block.Digest // of what is in it
	input   block.Digest // of what was added, copies that were removed included
}

func (s *Store) newWriter(tenant string, level int) (*writer, error) {
	id := newID()
	dir := s.path(stagingName, id)
	b, err := block.NewBuilder(block.BuilderOptions{Dir: dir, Tenant: tenant, BlockID: id, CompactionLevel: level})
	if err != nil {
		return nil, fmt.Errorf("begin a block: %w", err)
	}
	return &writer{store: s, builder: b, dir: dir, level: level}, nil
}

func (w *writer) add(record []byte) error { return w.builder.Add(record) }

// finish writes the block, syncs it, and proves it: what is read back from the
// disk must have the digest of what was added.
func (w *writer) finish(ctx context.Context) (*proven, error) {
	meta, stats, err := w.builder.Finish(ctx)
	if err != nil {
		return nil, fmt.Errorf("write a block: %w", err)
	}
	p := &proven{
		dir: filepath.Join(w.dir, meta.TenantID, meta.BlockID), meta: meta, digest: stats.Digest,
		lineage: Lineage{Spans: stats.Spans, Duplicates: stats.Duplicates, Digest: stats.Digest.String()},
	}
	b, err := block.Open(ctx, block.Dir(p.dir))
	if err != nil {
		return nil, fmt.Errorf("read back block %s: %w", meta.BlockID, err)
	}
	report, err := b.Verify(ctx)
	if err != nil {
		return nil, fmt.Errorf("prove block %s: %w", meta.BlockID, err)
	}
	if report.Digest != stats.Digest || report.Spans != stats.Spans {
		return nil, fmt.Errorf("prove block %s: it has %d spans with digest %s; %d with digest %s were written", meta.BlockID, report.Spans, report.Digest, stats.Spans, stats.Digest)
	}
	return p, nil
}

// discard removes what is left in staging.
func (w *writer) discard() {
	err := w.builder.Abort()
	if err == nil {
		err = os.RemoveAll(w.dir)
	}
	if err != nil {
		w.store.log.Warn("leftovers of a block are not removed before the next start", "dir", w.dir, "err", err)
	}
}
