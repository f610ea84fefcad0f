package archive

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"appliance/archive/store"
)

// State says where a block stands.
type State string

// The states of a block.
const (
	StateArchived State = "archived"
	StatePending  State = "pending" // in the source, and not archived yet
	StateMissing  State = "missing" // was archived, and the store has nothing of it any more
	// the last verification found it so, or its manifest is not readable
	StateDamaged State = "damaged"
	// in the source after Tempo's compaction, its spans all archived in other blocks
	StateCovered State = "covered"
	// in the store without a manifest: copied in part, or pruned in part
	StateIncomplete State = "incomplete"
	// in the source without a whole meta.json: being written, or left by a crash
	StateUnfinished State = "unfinished"
)

// Block is a line of the list.
type Block struct {
	Tenant          string    `json:"tenant"`
	ID              string    `json:"block"`
	State           State     `json:"state"`
	Encoding        string    `json:"encoding,omitempty"`
	CompactionLevel int       `json:"compaction_level"`
	Start           time.Time `json:"start,omitzero"`
	End             time.Time `json:"end,omitzero"`
	Traces          int64     `json:"traces"`
	Spans           int64     `json:"spans"` // 0 where they were not counted
	Bytes           int64     `json:"bytes"`
	ArchivedAt      time.Time `json:"archived_at,omitzero"`
	// when its data was last read and found right
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	Pinned     bool      `json:"pinned,omitempty"`
	// its id in the source, where that was taken
	DerivedFrom string `json:"derived_from,omitempty"`
	InSource    bool   `json:"in_source,omitempty"`
	// when the retention ends; only for what is in the source
	PurgesAt time.Time `json:"purges_at,omitzero"`
}

// ageFrom is from when on the age of an archived block counts. Spans of a client
// whose clock is ahead end in the future; the block would be kept until then.
func (b *Block) ageFrom(now time.Time) time.Time {
	if b.End.After(now) && !b.ArchivedAt.IsZero() {
		return b.ArchivedAt
	}
	return b.End
}

// Filter says which blocks are listed. The zero value is all of the store.
type Filter struct {
	Tenant string    // "" is all
	State  State     // "" is all
	Since  time.Time // blocks that end at or after it
	Until  time.Time // blocks that start at or before it
	// Source adds what is not archived yet, and what Retention, that of the source,
	// means for each block.
	Source    Source
	Origin    string // as in Options
	Retention time.Duration
}

// List returns blocks sorted by tenant, start and id. It reads the catalog,
// lists the store's blocks, and reads the manifests of those that the catalog
// lacks.
func (a *Archive) List(ctx context.Context, f Filter) ([]Block, error) {
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	blocks := inv.blocks()
	if f.Source != nil {
		if blocks, err = a.addSource(ctx, blocks, f); err != nil {
			return nil, err
		}
	}
	blocks = slices.DeleteFunc(blocks, func(b Block) bool { return !f.takes(b) })
	slices.SortFunc(blocks, func(x, y Block) int {
		return cmp.Or(strings.Compare(x.Tenant, y.Tenant), x.Start.Compare(y.Start), strings.Compare(x.ID, y.ID))
	})
	return blocks, nil
}

// Tenants returns the tenants that the store has directories of, in the order of its listing.
func (a *Archive) Tenants(ctx context.Context) ([]string, error) {
	all := []string{}
	for t, err := range tenants(ctx, a.store) {
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func (f Filter) takes(b Block) bool {
	return (f.Tenant == "" || b.Tenant == f.Tenant) && (f.State == "" || b.State == f.State) &&
		(f.Since.IsZero() || !b.End.Before(f.Since)) && (f.Until.IsZero() || !b.Start.After(f.Until))
}

// block is the list's line of an archived block.
func (inv *inventory) block(e *entry) Block {
	b := Block{
		Tenant: e.tenant, ID: e.block, State: StateArchived, Encoding: e.encoding, CompactionLevel: e.level,
		Start: unix(e.start), End: unix(e.end), Traces: e.traces, Spans: e.spans, Bytes: e.bytes,
		ArchivedAt: unix(e.archived), VerifiedAt: unix(e.verified), Pinned: inv.marks.has(markPin, e.ref), DerivedFrom: e.derivedFrom,
	}
	if inv.marks.has(markDamaged, e.ref) {
		b.State = StateDamaged
	}
	return b
}

// refs are the blocks that have a manifest, also a damaged one.
func (inv *inventory) refs() []ref {
	refs := make([]ref, 0, len(inv.archived)+len(inv.damaged))
	for i := range inv.archived {
		refs = append(refs, inv.archived[i].ref)
	}
	return append(refs, inv.damaged...)
}

// withManifest is the list's line of one of refs.
func (inv *inventory) withManifest(r ref) Block {
	if e := inv.find(r); e != nil {
		return inv.block(e)
	}
	return Block{Tenant: r.tenant, ID: r.block, State: StateDamaged, Pinned: inv.marks.has(markPin, r)}
}

func (inv *inventory) blocks() []Block {
	blocks := make([]Block, 0, len(inv.archived)+len(inv.missing)+len(inv.incomplete)+len(inv.damaged))
	for _, r := range inv.refs() {
		blocks = append(blocks, inv.withManifest(r))
	}
	for i := range inv.missing {
		b := inv.block(&inv.missing[i])
		b.State = StateMissing
		blocks = append(blocks, b)
	}
	for _, r := range inv.incomplete {
		blocks = append(blocks, Block{Tenant: r.tenant, ID: r.block, State: StateIncomplete, Pinned: inv.marks.has(markPin, r)})
	}
	return blocks
}

// addSource adds the blocks of a source that are not archived, and tells of the
// others that they are there.
func (a *Archive) addSource(ctx context.Context, blocks []Block, f Filter) ([]Block, error) {
	src := f.Source
	mem, err := recall(ctx, a.store, cmp.Or(f.Origin, OriginOf(src)))
	if err != nil && ctx.Err() != nil {
		return nil, err // else it is as if nothing were remembered
	}
	archived := map[ref][]int{} // by id in the source
	for i, b := range blocks {
		r := ref{b.Tenant, cmp.Or(b.DerivedFrom, b.ID)}
		archived[r] = append(archived[r], i)
	}
	purgesAt := func(end time.Time) time.Time {
		if f.Retention <= 0 || end.IsZero() {
			return time.Time{}
		}
		return end.Add(f.Retention)
	}
	for tenant, err := range tenants(ctx, src) {
		if err != nil {
			return nil, err
		}
		for id, err := range blockIDs(ctx, src, tenant) {
			if err != nil {
				return nil, err
			}
			there, part := false, -1
			for _, i := range archived[ref{tenant, id}] {
				b := &blocks[i]
				b.InSource, b.PurgesAt = true, purgesAt(b.ageFrom(time.Now()))
				there = there || b.State == StateArchived
				if b.State == StateIncomplete {
					part = i
				}
			}
			if there {
				continue
			}
			b, err := pendingBlock(ctx, src, tenant, id)
			if errors.Is(err, store.ErrNotExist) {
				continue // it goes as we look
			} else if err != nil {
				return nil, err
			}
			b.PurgesAt = purgesAt(b.End)
			if b.State == StatePending && mem.Covered[ref{tenant, id}.String()] != "" {
				b.State = StateCovered
			}
			if part >= 0 {
				blocks[part] = b // one line for what is being copied
			} else {
				blocks = append(blocks, b)
			}
		}
	}
	return blocks, nil
}

func pendingBlock(ctx context.Context, src Source, tenant, id string) (Block, error) {
	b, err := inspect(ctx, src, tenant, id)
	switch {
	case errors.Is(err, errUnfinished):
		return Block{Tenant: tenant, ID: id, State: StateUnfinished, Bytes: b.bytes, InSource: true}, nil
	case errors.Is(err, errDamaged):
		return Block{Tenant: tenant, ID: id, State: StatePending, InSource: true}, nil
	case err != nil:
		return Block{}, err
	}
	return Block{
		Tenant: tenant, ID: id, State: StatePending, Encoding: b.meta.Format, CompactionLevel: b.meta.CompactionLevel,
		Start: b.meta.StartTime, End: b.meta.EndTime, Traces: b.meta.TotalObjects, Bytes: b.bytes, InSource: true,
	}, nil
}
