package archive

import (
	"context"
	"time"
)

// Stats sums up an archive.
type Stats struct {
	Total     Totals            `json:"total"` // of what is archived, damaged blocks among it
	Tenants   map[string]Totals `json:"tenants"`
	Encodings map[string]Totals `json:"encodings"`
	Pinned    int               `json:"pinned"`
	// data never read since it was archived, or found damaged
	Unverified int `json:"unverified"`
	Damaged    int `json:"damaged"`
	Missing    int `json:"missing"`
	Incomplete int `json:"incomplete"`
	Derived    int `json:"derived"` // kept under another id than the source's
	// manifests that the catalog lacks; they cost a read each
	Uncataloged int `json:"uncataloged"`
}

// Totals of some blocks.
type Totals struct {
	Blocks int       `json:"blocks"`
	Bytes  int64     `json:"bytes"`
	Traces int64     `json:"traces"`
	Spans  int64     `json:"spans"`
	Oldest time.Time `json:"oldest,omitzero"` // start of the oldest span
	Newest time.Time `json:"newest,omitzero"` // end of the newest
}

func (t Totals) with(b Block) Totals {
	t.Blocks++
	t.Bytes += b.Bytes
	t.Traces += b.Traces
	t.Spans += b.Spans
	if t.Oldest.IsZero() || b.Start.Before(t.Oldest) {
		t.Oldest = b.Start
	}
	if b.End.After(t.Newest) {
		t.Newest = b.End
	}
	return t
}

// Stats reads the catalog and lists the store's blocks.
func (a *Archive) Stats(ctx context.Context) (*Stats, error) {
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	s := &Stats{
		Tenants: map[string]Totals{}, Encodings: map[string]Totals{},
		Missing: len(inv.missing), Incomplete: len(inv.incomplete), Damaged: len(inv.damaged), Uncataloged: inv.stale,
	}
	for i := range inv.archived {
		b := inv.block(&inv.archived[i])
		s.Total, s.Tenants[b.Tenant], s.Encodings[b.Encoding] = s.Total.with(b), s.Tenants[b.Tenant].with(b), s.Encodings[b.Encoding].with(b)
		if b.Pinned {
			s.Pinned++
		}
		if b.VerifiedAt.IsZero() {
			s.Unverified++
		}
		if b.State == StateDamaged {
			s.Damaged++
		}
		if b.DerivedFrom != "" {
			s.Derived++
		}
	}
	return s, nil
}
