package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"appliance/archive/store"
)

// PrunePlan says what Run deletes from the archive for good.
type PrunePlan struct {
	Blocks []Block     `json:"blocks"` // with the rest of what an interrupted prune left
	Kept   []KeptBlock `json:"kept"`   // old enough, and kept nevertheless
	Bytes  int64       `json:"bytes"`
	keep   time.Duration
	inv    *inventory
	a      *Archive
}

// KeptBlock is a block that is older than asked for, and why it is not pruned.
type KeptBlock struct {
	Block
	Reason string `json:"reason"`
}

// PlanPrune plans to delete the blocks whose last span is older than keep, except for those that are pinned, damaged,
// or were never verified with their data, and those that are still in the source, which may be nil: an archiver would
// only copy them again.
func (a *Archive) PlanPrune(ctx context.Context, keep time.Duration, src Source) (*PrunePlan, error) {
	if keep <= 0 {
		return nil, fmt.Errorf("prune blocks older than %s: the time to keep must be positive", keep)
	}
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	if inv.catalogErr != nil {
		return nil, fmt.Errorf("prune nothing, since the catalog is damaged; verify the archive first: %w", inv.catalogErr)
	}
	p := &PrunePlan{Blocks: []Block{}, Kept: []KeptBlock{}, keep: keep, inv: inv, a: a}
	horizon := a.now().Add(-keep)
	for i := range inv.archived {
		b := inv.block(&inv.archived[i])
		if !b.ageFrom(a.now()).Before(horizon) {
			continue
		}
		reason, err := keepReason(ctx, b, src)
		if err != nil {
			return nil, err
		}
		if reason != "" {
			p.Kept = append(p.Kept, KeptBlock{b, reason})
			continue
		}
		p.Blocks = append(p.Blocks, b)
		p.Bytes += b.Bytes
	}
	for _, r := range inv.incomplete {
		if !inv.marks.has(markPrune, r) {
			continue
		}
		b := Block{Tenant: r.tenant, ID: r.block, State: StateIncomplete}
		// What the source has may be no rest of a prune, but a copy that an archiver makes right now.
		switch there, err := inSource(ctx, b, src); {
		case err != nil:
			return nil, err
		case there:
			p.Kept = append(p.Kept, KeptBlock{b, stillInSource})
		default:
			p.Blocks = append(p.Blocks, b)
		}
	}
	return p, nil
}

func keepReason(ctx context.Context, b Block, src Source) (string, error) {
	switch {
	case b.Pinned:
		return "it is pinned", nil
	case b.State == StateDamaged:
		return "it is damaged", nil
	case b.VerifiedAt.IsZero():
		return "its data was never verified", nil
	}
	if there, err := inSource(ctx, b, src); err != nil || there {
		return stillInSource, err
	}
	return "", nil
}

const stillInSource = "it is still in the source"

func inSource(ctx context.Context, b Block, src Source) (bool, error) {
	if src == nil {
		return false, nil
	}
	for _, err := range src.List(ctx, b.Tenant+"/"+cmp.Or(b.DerivedFrom, b.ID)) {
		return true, err
	}
	return false, nil
}

// Run deletes what is planned, durably. A block that was pinned since the plan was made is spared. Each block stops
// being archived first, by its manifest, then being visible to a Tempo, by its meta.json, and goes then.
func (p *PrunePlan) Run(ctx context.Context, progress func(Progress)) (pruned int, err error) {
	s := p.a.store
	done := Progress{BlocksTotal: len(p.Blocks), BytesTotal: p.Bytes}
	removed := map[ref]bool{}
	for _, b := range p.Blocks {
		r := ref{b.Tenant, b.ID}
		done.Tenant, done.Block = b.Tenant, b.ID
		if progress != nil {
			progress(done)
		}
		pinned, err := isMarked(ctx, s, markPin, r)
		if err != nil {
			return pruned, err
		}
		if !pinned {
			if err := pruneBlock(ctx, s, r); err != nil {
				return pruned, fmt.Errorf("prune block %s: %w", r, err)
			}
			removed[r] = true
			pruned++
		}
		done.Blocks++
		done.Bytes += b.Bytes
	}
	// The catalog must forget them before their marks go, or they would look missing. Another that writes the
	// catalog at this moment may still bring them back to it, so marks go only with a later prune.
	inv, err := takeInventory(ctx, s)
	if err != nil {
		return pruned, err
	}
	if err := inv.save(ctx, s); err != nil {
		return pruned, err
	}
	for r := range inv.marks[markPrune] {
		if !removed[r] && p.inv.marks.has(markPrune, r) && inv.find(r) == nil {
			if err := clearMark(ctx, s, markPrune, r); err != nil {
				return pruned, err
			}
		}
	}
	return pruned, nil
}

func pruneBlock(ctx context.Context, s store.Store, r ref) error {
	if err := setMark(ctx, s, markPrune, r); err != nil {
		return err
	}
	names := []string{ManifestName, MetaName}
	for e, err := range s.List(ctx, r.String()) {
		if err != nil {
			return err
		}
		if !e.Dir && e.Name != ManifestName && e.Name != MetaName {
			names = append(names, e.Name)
		}
	}
	for _, name := range names {
		if err := s.Delete(ctx, ObjectName(r.tenant, r.block, name)); err != nil {
			return err
		}
	}
	return nil
}

func isMarked(ctx context.Context, s store.Store, k mark, r ref) (bool, error) {
	o, err := s.Open(ctx, k.name(r))
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, o.Close()
}
