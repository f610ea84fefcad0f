package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"appliance/archive/store"
)

// Archive is what a person does with a store of archived blocks. It needs no server and no Archiver; both may work on
// the store at the same time.
type Archive struct {
	store store.Store
	now   func() time.Time
}

// Open returns the archive in a store, which stays the caller's to close.
func Open(s store.Store) *Archive { return &Archive{store: s, now: time.Now} }

var (
	// ErrNoBlock says that no block of the archive has an id or a prefix.
	ErrNoBlock = errors.New("no such block in the archive")
	// ErrAmbiguous says that more than one has.
	ErrAmbiguous = errors.New("more than one block begins so")
)

// resolve finds the one archived block whose id begins with prefix. Where two tenants have blocks of one id,
// tenant/prefix tells them apart.
func (inv *inventory) resolve(prefix string) (*entry, error) {
	tenant, block, ok := strings.Cut(prefix, "/")
	if !ok {
		tenant, block = "", prefix
	}
	var found *entry
	for i := range inv.archived {
		e := &inv.archived[i]
		if (tenant != "" && e.tenant != tenant) || !strings.HasPrefix(e.block, block) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: %q, %s and %s do", ErrAmbiguous, prefix, found, e)
		}
		found = e
	}
	if found == nil || block == "" {
		return nil, fmt.Errorf("%w: %q", ErrNoBlock, prefix)
	}
	return found, nil
}

// Detail is all that is known of one archived block.
type Detail struct {
	Block
	Manifest *Manifest `json:"manifest"`
}

// Show returns what is known of the block whose id is, or uniquely begins with, prefix; see ErrNoBlock, ErrAmbiguous.
func (a *Archive) Show(ctx context.Context, prefix string) (*Detail, error) {
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	e, err := inv.resolve(prefix)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(ctx, a.store, e.tenant, e.block)
	if err != nil {
		return nil, err
	}
	return &Detail{Block: inv.block(e), Manifest: m}, nil
}

// Pin keeps a block from being pruned, until Unpin.
func (a *Archive) Pin(ctx context.Context, prefix string) (Block, error) {
	return a.setPin(ctx, prefix, true)
}

// Unpin lets a block be pruned again.
func (a *Archive) Unpin(ctx context.Context, prefix string) (Block, error) {
	return a.setPin(ctx, prefix, false)
}

func (a *Archive) setPin(ctx context.Context, prefix string, pinned bool) (Block, error) {
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return Block{}, err
	}
	e, err := inv.resolve(prefix)
	if err != nil {
		return Block{}, err
	}
	b := inv.block(e)
	b.Pinned = pinned
	if pinned {
		return b, setMark(ctx, a.store, markPin, e.ref)
	}
	return b, clearMark(ctx, a.store, markPin, e.ref)
}

// RebuildCatalog writes the catalog anew from the manifests alone.
func (a *Archive) RebuildCatalog(ctx context.Context) (blocks int, err error) {
	if err := a.store.Delete(ctx, catalogName); err != nil {
		return 0, err
	}
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return 0, err
	}
	return len(inv.archived), inv.save(ctx, a.store)
}
