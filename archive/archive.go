package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"appliance/archive/store"
)

// Archive is what a person does with a store of archived blocks. It needs no
// server and no Archiver; both may work on the store at the same time.
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

// resolve finds the one block with a manifest, be that damaged, whose id begins
// with prefix. Where two tenants have blocks of one id, tenant/prefix tells
// them apart.
func (inv *inventory) resolve(prefix string) (ref, error) {
	tenant, block, ok := strings.Cut(prefix, "/")
	if !ok {
		tenant, block = "", prefix
	}
	var found ref
	for _, r := range inv.refs() {
		if (tenant != "" && r.tenant != tenant) || !strings.HasPrefix(r.block, block) {
			continue
		}
		if found != (ref{}) {
			return ref{}, fmt.Errorf("%w: %q, %s and %s do", ErrAmbiguous, prefix, found, r)
		}
		found = r
	}
	if found == (ref{}) || block == "" {
		return ref{}, fmt.Errorf("%w: %q", ErrNoBlock, prefix)
	}
	return found, nil
}

// Detail is all that is known of one archived block.
type Detail struct {
	Block
	Manifest *Manifest `json:"manifest"`         // nil where it is damaged
	Damage   string    `json:"damage,omitempty"` // of the manifest
}

// Show returns what is known of the block whose id is, or uniquely begins with,
// prefix; see ErrNoBlock, ErrAmbiguous.
func (a *Archive) Show(ctx context.Context, prefix string) (*Detail, error) {
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	r, err := inv.resolve(prefix)
	if err != nil {
		return nil, err
	}
	d := &Detail{Block: inv.withManifest(r)}
	d.Manifest, err = ReadManifest(ctx, a.store, r.tenant, r.block)
	if isBadManifest(err) {
		d.State, d.Damage, err = StateDamaged, err.Error(), nil
	}
	return d, err
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
	r, err := inv.resolve(prefix)
	if err != nil {
		return Block{}, err
	}
	b := inv.withManifest(r)
	b.Pinned = pinned
	if pinned {
		return b, setMark(ctx, a.store, markPin, r)
	}
	return b, clearMark(ctx, a.store, markPin, r)
}
