package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"appliance/archive/store"
)

// PrunePlan says what Run deletes from the archive for good.
type PrunePlan struct {
	Blocks []Block `json:"blocks"` // with the rest of what an interrupted prune left
	// old enough, or in the way of fewer bytes, and kept nevertheless
	Kept  []KeptBlock `json:"kept"`
	Bytes int64       `json:"bytes"`
	Left  int64       `json:"left_bytes"` // of what is archived and not planned
	inv   *inventory
	a     *Archive
}

// Keep says how much of an archive is kept.
type Keep struct {
	Age   time.Duration // of a block's last span; 0: any
	Bytes int64         // of all blocks together, of which the oldest go first; 0: any
}

// String says it as in a log line.
func (k Keep) String() string {
	switch {
	case k.Bytes == 0:
		return "older than " + k.Age.String()
	case k.Age == 0:
		return "beyond " + sizeText(k.Bytes)
	}
	return "older than " + k.Age.String() + " or beyond " + sizeText(k.Bytes)
}

// KeptBlock is a block that is older than asked for, or one of the oldest, and
// why it is not pruned.
type KeptBlock struct {
	Block
	Reason string `json:"reason"`
}

// PlanPrune plans to delete the blocks that are older than Age, and of the
// others the oldest until what is left has at most so many Bytes; except for
// those that are pinned, damaged, or were never verified with their data, and
// those that are still in the source, which may be nil: an archiver would only
// copy them again. A block that is kept nevertheless counts among the bytes, so
// that younger ones go in its place.
func (a *Archive) PlanPrune(ctx context.Context, keep Keep, src Source) (*PrunePlan, error) {
	if keep.Age < 0 || keep.Bytes < 0 || keep == (Keep{}) {
		return nil, fmt.Errorf("prune blocks %s: the age or the bytes to keep must be positive", keep)
	}
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	if inv.catalogErr != nil {
		return nil, fmt.Errorf("prune nothing, since the catalog is damaged; verify the archive first: %w", inv.catalogErr)
	}
	p := &PrunePlan{Blocks: []Block{}, Kept: []KeptBlock{}, Left: inv.bytes(), inv: inv, a: a}
	if err := p.choose(ctx, keep, src); err != nil {
		return nil, err
	}
	for _, r := range inv.incomplete {
		if !inv.marks.has(markPrune, r) {
			continue
		}
		b := Block{Tenant: r.tenant, ID: r.block, State: StateIncomplete}
		// What the source has may be no rest of a prune, but a copy that an
		// archiver makes right now.
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

// choose plans archived blocks, the oldest first.
func (p *PrunePlan) choose(ctx context.Context, keep Keep, src Source) error {
	now := p.a.now()
	horizon := now.Add(-keep.Age)
	blocks := make([]Block, 0, len(p.inv.archived))
	for i := range p.inv.archived {
		blocks = append(blocks, p.inv.block(&p.inv.archived[i]))
	}
	if keep.Bytes > 0 { // the order in which a list has them is as good for an age
		slices.SortStableFunc(blocks, func(a, b Block) int { return a.ageFrom(now).Compare(b.ageFrom(now)) })
	}
	for _, b := range blocks {
		old := keep.Age > 0 && b.ageFrom(now).Before(horizon)
		if !old && (keep.Bytes == 0 || p.Left <= keep.Bytes) {
			continue
		}
		reason, err := keepReason(ctx, b, src)
		if err != nil {
			return err
		}
		if reason != "" {
			p.Kept = append(p.Kept, KeptBlock{b, reason})
			continue
		}
		p.Blocks = append(p.Blocks, b)
		p.Bytes += b.Bytes
		p.Left -= b.Bytes
	}
	return nil
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

// Run deletes what is planned, durably. A block that was pinned since the plan
// was made is spared. Each block stops being archived first, by its manifest,
// then being visible to a Tempo, by its meta.json, and goes then.
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
	// The catalog must forget them before their marks go, or they would look
	// missing. Another that writes the catalog at this moment may still bring
	// them back to it, so marks go only with a later prune.
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
