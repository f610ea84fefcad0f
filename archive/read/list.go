package read

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/internal/querier"
	"appliance/internal/readapi"
)

const manifestReaders = 16 // at once

// archived is what a Reader remembers of a committed block. It stays right:
// blocks are never overwritten.
type archived struct {
	*querier.ArchivedBlock
	source uuid.UUID // its id in the storage it was copied from
}

func newBlock(id uuid.UUID, start, end time.Time) *archived {
	return &archived{&querier.ArchivedBlock{ID: id, Start: start.Unix(), End: end.Unix()}, id}
}

const (
	// listTime bounds how long a list is read, of a remote store with many blocks.
	listTime = 5 * time.Minute
	// A question waits for the list of an archive that was not read before for
	// firstPatience, and otherwise for twice as long as it took, in these bounds.
	// What is on the disk must be found though the archive is away.
	firstPatience, leastPatience, mostPatience = 5 * time.Second, 3 * time.Second, 20 * time.Second
	// After a failure the list is read again failedPause later, and a question
	// waits for failedPatience.
	failedPause, failedPatience = 10 * time.Second, 250 * time.Millisecond
)

// tenantBlocks is the list of a tenant's committed blocks, as of a moment.
type tenantBlocks struct {
	mu      sync.Mutex
	listing *listing // that goes on, or nil
	known   map[uuid.UUID]*archived
	newest  []*querier.ArchivedBlock // those of known, the newest end first
	missing readapi.Missing          // manifests that cannot be read
	asOf    time.Time
	took    time.Duration // to read the list
	failed  error         // of the last list, or nil
	tried   time.Time     // when it failed
}

// listing is the list while it is read.
type listing struct {
	began time.Time
	until time.Time     // questions wait for it
	done  chan struct{} // closed at its end
}

func (r *Reader) tenant(name string) *tenantBlocks {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.tenants[name]
	if !ok {
		t = &tenantBlocks{known: map[uuid.UUID]*archived{}}
		r.tenants[name] = t
	}
	return t
}

// forget drops a tenant that has no directory in the archive: names come from
// clients, and must not fill the memory.
func (r *Reader) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tenants, name)
}

// refresh reads the manifests that came since the last time, if that is long
// ago or not after a time. It waits only so long for an archive that does not answer.
func (r *Reader) refresh(ctx context.Context, tenant string, after time.Time) ([]*querier.ArchivedBlock, readapi.Missing, error) {
	t := r.tenant(tenant)
	for {
		l, newest, missing, err := r.current(t, tenant, after)
		if l == nil {
			return newest, missing, err
		}
		var over <-chan time.Time
		if r.hurried {
			over = time.After(time.Until(l.until))
		}
		select {
		case <-l.done:
		case <-over:
			return nil, nil, fmt.Errorf("the archive has not answered for %s", time.Since(l.began).Round(time.Millisecond))
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// current is the list, or why there is none, or that which has to end first.
func (r *Reader) current(t *tenantBlocks, tenant string, after time.Time) (*listing, []*querier.ArchivedBlock, readapi.Missing, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A list that takes long to read, of a remote store, is kept for longer.
	if t.asOf.After(after) && time.Since(t.asOf) < max(r.listAge, 10*t.took) {
		return nil, t.newest, t.missing, nil
	}
	if t.failed != nil && t.listing == nil && time.Since(t.tried) < failedPause {
		return nil, nil, nil, t.failed
	}
	if t.listing == nil {
		now := time.Now()
		t.listing = &listing{began: now, until: now.Add(t.patience()), done: make(chan struct{})}
		go r.read(t, tenant, t.listing)
	}
	return t.listing, nil, nil, nil
}

// patience is how long questions wait for the next list.
func (t *tenantBlocks) patience() time.Duration {
	switch {
	case t.failed != nil:
		return failedPatience
	case t.took == 0:
		return firstPatience
	}
	return min(max(2*t.took, leastPatience), mostPatience)
}

// read reads the list, for whoever waits for it.
func (r *Reader) read(t *tenantBlocks, tenant string, l *listing) {
	ctx, cancel := context.WithTimeout(context.Background(), listTime)
	defer cancel()
	t.mu.Lock()
	before, first := t.known, t.asOf.IsZero()
	t.mu.Unlock()
	known, missing, err := r.readList(ctx, tenant, before, first)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(l.done)
	t.listing = nil
	if t.failed = err; err != nil {
		t.tried = time.Now()
		return
	}
	t.known, t.missing, t.asOf, t.took = known, missing, l.began, time.Since(l.began)
	t.newest = newestFirst(known)
	if known == nil {
		r.forget(tenant)
	}
}

// readList reads the list and the manifests that are not known. It returns nil for a
// tenant without a directory.
func (r *Reader) readList(
	ctx context.Context, tenant string, before map[uuid.UUID]*archived, first bool,
) (map[uuid.UUID]*archived, readapi.Missing, error) {
	listed, err := r.list(ctx, tenant)
	if err != nil || len(listed) == 0 {
		return nil, nil, err
	}
	if first {
		before = r.fromCatalog(ctx, tenant)
	}
	known := make(map[uuid.UUID]*archived, len(listed))
	var fresh []uuid.UUID
	for _, id := range listed {
		if b, ok := before[id]; ok {
			known[id] = b
		} else {
			fresh = append(fresh, id)
		}
	}
	missing, err := r.readManifests(ctx, tenant, fresh, known)
	if err != nil {
		return nil, nil, err
	}
	markTwins(known)
	return known, missing, nil
}

// list are the blocks that have a directory.
func (r *Reader) list(ctx context.Context, tenant string) (listed []uuid.UUID, err error) {
	for e, err := range r.store.List(ctx, tenant) {
		if err != nil {
			return nil, err
		}
		if id, err := uuid.Parse(e.Name); e.Dir && err == nil {
			listed = append(listed, id)
		}
	}
	return listed, nil
}

// readManifests adds the blocks of ids that are committed to known.
func (r *Reader) readManifests(ctx context.Context, tenant string, ids []uuid.UUID, known map[uuid.UUID]*archived) (readapi.Missing, error) {
	var (
		mu      sync.Mutex
		missing readapi.Missing
	)
	readers, ctx := errgroup.WithContext(ctx)
	readers.SetLimit(manifestReaders)
	for _, id := range ids {
		readers.Go(func() error {
			b, err := r.readManifest(ctx, tenant, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, store.ErrNotExist): // not committed, or pruned just now
			case err != nil:
				missing = append(missing, fmt.Sprintf("archived block %s of tenant %s cannot be read: %v", id, tenant, err))
			default:
				known[id] = b
			}
			return nil
		})
	}
	err := readers.Wait()
	slices.Sort(missing)
	return missing, err
}

// markTwins marks the blocks that were archived with other bytes as well.
// Others may be reading the ones that are not marked.
func markTwins(known map[uuid.UUID]*archived) {
	for _, b := range known {
		original := known[b.source]
		if b.source == b.ID || original == nil || original.Twin {
			continue
		}
		known[b.source] = &archived{
			&querier.ArchivedBlock{ID: original.ID, Start: original.Start, End: original.End, Twin: true}, original.source,
		}
	}
}

func newestFirst(known map[uuid.UUID]*archived) []*querier.ArchivedBlock {
	list := make([]*querier.ArchivedBlock, 0, len(known))
	for _, b := range known {
		list = append(list, b.ArchivedBlock)
	}
	slices.SortFunc(list, func(a, b *querier.ArchivedBlock) int {
		return cmp.Or(cmp.Compare(b.End, a.End), slices.Compare(a.ID[:], b.ID[:]))
	})
	return list
}

// fromCatalog is what the archive's catalog has of a tenant, which spares
// reading as many manifests. What it lacks is read from them, all of it where
// there is no catalog.
func (r *Reader) fromCatalog(ctx context.Context, tenant string) map[uuid.UUID]*archived {
	listed, err := archive.Open(r.store).List(ctx, archive.Filter{Tenant: tenant, State: archive.StateArchived})
	if err != nil {
		return nil
	}
	known := make(map[uuid.UUID]*archived, len(listed))
	for _, l := range listed {
		id, err := uuid.Parse(l.ID)
		if err != nil {
			continue
		}
		b := newBlock(id, l.Start, l.End)
		if l.DerivedFrom != "" {
			if b.source, err = uuid.Parse(l.DerivedFrom); err != nil {
				continue
			}
		}
		known[id] = b
	}
	return known
}
