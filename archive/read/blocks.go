package read

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"appliance/archive"
	"appliance/archive/store"
	blockformat "appliance/internal/block"
)

const (
	manifestReaders = 16      // at once
	maxMeta         = 1 << 20 // bytes
	unknown         = -1
)

// A block is what a Reader remembers of a committed block. It stays right: blocks are never overwritten.
type block struct {
	id         uuid.UUID
	start, end int64 // of its spans, Unix seconds, both included
	traces     int32
	spans      int64         // 0 where they were not counted
	blooms     *atomic.Int32 // Bloom filters; unknown until the block is asked for a trace
	source     uuid.UUID     // its id in the storage it was copied from
	twin       bool          // other bytes were archived under the same id of the source
}

// tenantBlocks is the list of a tenant's committed blocks, as of a moment.
type tenantBlocks struct {
	turn    chan struct{} // held while the list is read
	known   map[uuid.UUID]*block
	newest  []*block // those of known, the newest end first
	missing []error  // manifests that cannot be read
	asOf    time.Time
	took    time.Duration // to read the list
}

// A window says which blocks to ask.
type window struct {
	start, end int64                   // Unix seconds; both 0: all
	skip       func(block string) bool // true for blocks that are answered for by somebody else; may be nil
}

// blocks lists the committed blocks of a window, the newest first, and the blocks whose manifest cannot be read.
func (r *Reader) blocks(ctx context.Context, tenant string, w window) ([]*block, []error, error) {
	if err := archive.CheckTenant(tenant); err != nil {
		return nil, nil, err
	}
	all, missing, err := r.refresh(ctx, tenant)
	if err != nil {
		return nil, nil, fmt.Errorf("list the archived blocks of tenant %s: %w", tenant, err)
	}
	chosen := make([]*block, 0, len(all))
	for _, b := range all {
		if w.start|w.end != 0 && (b.start > w.end || b.end < w.start) {
			continue
		}
		if w.skip != nil && !b.twin && w.skip(b.id.String()) {
			continue
		}
		chosen = append(chosen, b)
	}
	return chosen, missing, nil
}

func (r *Reader) tenant(name string) *tenantBlocks {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.tenants[name]
	if !ok {
		t = &tenantBlocks{turn: make(chan struct{}, 1), known: map[uuid.UUID]*block{}}
		r.tenants[name] = t
	}
	return t
}

// forget drops a tenant that has no directory in the archive: names come from clients, and must not fill the memory.
func (r *Reader) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tenants, name)
}

// refresh reads the manifests that came since the last time.
func (r *Reader) refresh(ctx context.Context, tenant string) ([]*block, []error, error) {
	t := r.tenant(tenant)
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	// A list that takes long to read, of a remote store, is kept for longer.
	if time.Since(t.asOf) < max(r.options.Refresh, 10*t.took) {
		return t.newest, t.missing, nil
	}
	began := time.Now()
	var listed []uuid.UUID
	for e, err := range r.store.List(ctx, tenant) {
		if err != nil {
			return nil, nil, err
		}
		id, err := uuid.Parse(e.Name)
		if !e.Dir || err != nil {
			continue
		}
		listed = append(listed, id)
	}
	if len(listed) == 0 {
		r.forget(tenant)
		return nil, nil, nil
	}
	if t.asOf.IsZero() {
		t.known = r.fromCatalog(ctx, tenant)
	}
	known := make(map[uuid.UUID]*block, len(t.known))
	var fresh []uuid.UUID
	for _, id := range listed {
		if b, ok := t.known[id]; ok {
			known[id] = b
		} else {
			fresh = append(fresh, id)
		}
	}
	var (
		mu      sync.Mutex
		missing []error
	)
	readers, readCtx := errgroup.WithContext(ctx)
	readers.SetLimit(manifestReaders)
	for _, id := range fresh {
		readers.Go(func() error {
			b, err := r.readManifest(readCtx, tenant, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case readCtx.Err() != nil:
				return readCtx.Err()
			case errors.Is(err, store.ErrNotExist): // not committed, or pruned just now
			case err != nil:
				missing = append(missing, &Missing{Tenant: tenant, Block: id.String(), Err: err})
			default:
				known[id] = b
			}
			return nil
		})
	}
	if err := readers.Wait(); err != nil {
		return nil, nil, err
	}
	for _, b := range known {
		if original := known[b.source]; b.source != b.id && original != nil && !original.twin {
			marked := *original // others may be reading that one
			marked.twin = true
			known[b.source] = &marked
		}
	}
	t.known, t.missing, t.asOf, t.took = known, missing, began, time.Since(began)
	t.newest = make([]*block, 0, len(known))
	for _, b := range known {
		t.newest = append(t.newest, b)
	}
	slices.SortFunc(t.newest, func(a, b *block) int {
		return cmp.Or(cmp.Compare(b.end, a.end), slices.Compare(a.id[:], b.id[:]))
	})
	return t.newest, t.missing, nil
}

// fromCatalog is what the archive's catalog has of a tenant, which spares reading as many manifests. What it lacks is
// read from them, all of it where there is no catalog.
func (r *Reader) fromCatalog(ctx context.Context, tenant string) map[uuid.UUID]*block {
	listed, err := archive.Open(r.store).List(ctx, archive.Filter{Tenant: tenant, State: archive.StateArchived})
	if err != nil {
		return nil
	}
	known := make(map[uuid.UUID]*block, len(listed))
	for _, l := range listed {
		id, err := uuid.Parse(l.ID)
		if err != nil {
			continue
		}
		b := newBlock(id, l.Start, l.End, l.Traces, l.Spans)
		if l.DerivedFrom != "" {
			if b.source, err = uuid.Parse(l.DerivedFrom); err != nil {
				continue
			}
		}
		known[id] = b
	}
	return known
}

func newBlock(id uuid.UUID, start, end time.Time, traces, spans int64) *block {
	b := &block{id: id, source: id, start: start.Unix(), end: end.Unix(), spans: spans, traces: int32(min(traces, math.MaxInt32)), blooms: new(atomic.Int32)}
	b.blooms.Store(unknown)
	return b
}

// bloomCount is how many Bloom filters a block has.
func (r *Reader) bloomCount(ctx context.Context, tenant string, b *block) (int, error) {
	if n := b.blooms.Load(); n != unknown {
		return int(n), nil
	}
	text, err := store.ReadFile(ctx, r.store, archive.ObjectName(tenant, b.id.String(), archive.MetaName), maxMeta)
	if err != nil {
		return 0, err
	}
	meta, err := blockformat.ParseMeta(text)
	if err != nil {
		return 0, err
	}
	b.blooms.Store(int32(meta.BloomShards))
	return meta.BloomShards, nil
}

// readManifest reads the commit mark of a block.
func (r *Reader) readManifest(ctx context.Context, tenant string, id uuid.UUID) (*block, error) {
	m, err := archive.ReadManifest(ctx, r.store, tenant, id.String())
	if err != nil {
		return nil, err
	}
	b := newBlock(id, m.Start, m.End, m.Traces, m.Spans)
	if m.Derived != nil {
		b.source, err = uuid.Parse(m.Derived.Block)
	}
	return b, err
}

// pruned says whether a block is no longer committed.
func (r *Reader) pruned(ctx context.Context, tenant string, b *block) bool {
	o, err := r.store.Open(ctx, archive.ObjectName(tenant, b.id.String(), archive.ManifestName))
	if err != nil {
		return errors.Is(err, store.ErrNotExist)
	}
	o.Close()
	return false
}
