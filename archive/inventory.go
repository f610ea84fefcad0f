package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"appliance/archive/store"
)

// manifestReaders is how many manifests are read at the same time.
const manifestReaders = 16

// inventory is what a store holds, by the catalog and by listing it.
type inventory struct {
	archived   []entry // sorted
	missing    []entry // in the catalog, with no directory left
	incomplete []ref   // a directory without a manifest: copied in part, or pruned in part
	damaged    []ref   // with a manifest that is not what was written
	marks      marks   // pins and the like
	stale      int     // how many entries the catalog lacks or has too many
	catalogErr error   // why the catalog could not be read, if so
}

// takeInventory reads the catalog, lists the store, and reads the manifests of
// the blocks that the catalog lacks.
func takeInventory(ctx context.Context, s store.Store) (*inventory, error) {
	inv := new(inventory)
	var known []entry
	text, err := store.ReadFile(ctx, s, catalogName, maxCatalogBytes)
	switch {
	case err == nil:
		known, inv.catalogErr = decodeCatalog(text)
	case !errors.Is(err, store.ErrNotExist):
		return nil, err
	}
	if inv.marks, err = readMarks(ctx, s); err != nil {
		return nil, err
	}
	var unknown []ref
	halfPruned := map[ref]int64{} // when they were verified
	i := 0
	for tenant, err := range tenants(ctx, s) {
		if err != nil {
			return nil, err
		}
		for block, err := range blockIDs(ctx, s, tenant) {
			if err != nil {
				return nil, err
			}
			r := ref{tenant, block}
			for ; i < len(known) && known[i].compare(r) < 0; i++ {
				inv.lacks(known[i])
			}
			if i < len(known) && known[i].ref == r {
				i++
				if !inv.marks.has(markPrune, r) {
					inv.archived = append(inv.archived, known[i-1])
					continue
				}
				halfPruned[r] = known[i-1].verified
			}
			unknown = append(unknown, r)
		}
	}
	for ; i < len(known); i++ {
		inv.lacks(known[i])
	}
	if err := inv.readManifests(ctx, s, unknown); err != nil {
		return nil, err
	}
	for r, verified := range halfPruned {
		if e := inv.find(r); e != nil {
			e.verified = verified
		}
	}
	return inv, nil
}

// lacks notes that the store has nothing of a block in the catalog, which is as
// it should be after a prune.
func (inv *inventory) lacks(e entry) {
	if inv.marks.has(markPrune, e.ref) {
		inv.stale++
		return
	}
	inv.missing = append(inv.missing, e)
}

func (inv *inventory) readManifests(ctx context.Context, s store.Store, refs []ref) error {
	type result struct {
		m   *Manifest
		err error
	}
	results := make([]result, len(refs))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(manifestReaders)
	for i, r := range refs {
		g.Go(func() error {
			m, err := ReadManifest(gctx, s, r.tenant, r.block)
			results[i] = result{m, err}
			if err != nil && !errors.Is(err, store.ErrNotExist) && !isBadManifest(err) {
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, r := range results {
		switch {
		case r.err == nil:
			inv.archived = append(inv.archived, entryOf(r.m))
			inv.stale++
		case errors.Is(r.err, store.ErrNotExist):
			inv.incomplete = append(inv.incomplete, refs[i])
		default:
			inv.damaged = append(inv.damaged, refs[i])
		}
	}
	slices.SortFunc(inv.archived, func(a, b entry) int { return a.compare(b.ref) })
	return nil
}

// find returns the entry of an archived block, or nil.
func (inv *inventory) find(r ref) *entry {
	i, ok := slices.BinarySearchFunc(inv.archived, r, func(e entry, r ref) int { return e.compare(r) })
	if !ok {
		return nil
	}
	return &inv.archived[i]
}

// save writes the catalog again. Missing blocks stay in it: that they were
// archived once is worth knowing.
func (inv *inventory) save(ctx context.Context, s store.Store) error {
	all := slices.Concat(inv.archived, inv.missing)
	slices.SortFunc(all, func(a, b entry) int { return a.compare(b.ref) })
	if err := s.Replace(ctx, catalogName, encodeCatalog(all)); err != nil {
		return fmt.Errorf("write the catalog of %d blocks: %w", len(all), err)
	}
	return nil
}
