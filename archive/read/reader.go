package read

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/internal/querier"
	"appliance/internal/readapi"
)

// listAge is how old the list of blocks may be; a list that took long to read may
// be older, up to ten times what it took.
const listAge = time.Second

// Reader reads an archive. Its methods may be called at the same time.
type Reader struct {
	store   store.Store
	listAge time.Duration // tests set another
	hurried bool

	mu      sync.Mutex
	tenants map[string]*tenantBlocks
}

var _ querier.Archive = (*Reader)(nil)

// New makes a Reader of the archive in st, which stays the caller's to close.
func New(st store.Store) *Reader {
	return &Reader{store: st, listAge: listAge, tenants: map[string]*tenantBlocks{}}
}

// Hurried returns a Reader that does not wait long for an archive which does not
// answer: for questions about what is elsewhere too.
func Hurried(st store.Store) *Reader {
	r := New(st)
	r.hurried = true
	return r
}

// Blocks implements querier.Archive.
func (r *Reader) Blocks(ctx context.Context, tenant string, after time.Time) ([]*querier.ArchivedBlock, readapi.Missing, error) {
	if err := archive.CheckTenant(tenant); err != nil {
		return nil, nil, &readapi.BadRequest{Why: err.Error()}
	}
	newest, missing, err := r.refresh(ctx, tenant, after)
	if err != nil {
		return nil, nil, fmt.Errorf("list the archived blocks of tenant %s: %w", tenant, err)
	}
	return newest, missing, nil
}

// Pruned implements querier.Archive.
func (r *Reader) Pruned(ctx context.Context, tenant string, b *querier.ArchivedBlock) bool {
	o, err := r.store.Open(ctx, archive.ObjectName(tenant, b.ID.String(), archive.ManifestName))
	if err != nil {
		return errors.Is(err, store.ErrNotExist)
	}
	_ = o.Close()
	return false
}

// readManifest reads the commit mark of a block.
func (r *Reader) readManifest(ctx context.Context, tenant string, id uuid.UUID) (*archived, error) {
	m, err := archive.ReadManifest(ctx, r.store, tenant, id.String())
	if err != nil {
		return nil, err
	}
	b := newBlock(id, m.Start, m.End)
	if m.Derived != nil {
		b.source, err = uuid.Parse(m.Derived.Block)
	}
	return b, err
}
