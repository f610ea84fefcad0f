package archive

import (
	"context"
	"errors"

	"appliance/archive/store"
)

// Difference is what a source has that the archive has not. All lists are
// sorted as the source lists them.
type Difference struct {
	Same       int     `json:"same"`    // blocks that are archived as they are in the source
	Covered    int     `json:"covered"` // blocks whose spans are all in other archived blocks
	Pending    []Block `json:"pending"` // not archived
	Changed    []Block `json:"changed"` // other bytes are archived under the block's id
	Unfinished []Block `json:"unfinished"`
	// OnlyArchived counts blocks that are archived and not in the source any
	// more, as it should be with old ones.
	OnlyArchived int `json:"only_archived"`
}

// Diff compares a source with the archive, by names, sizes and meta.json of
// every block. Origin is as in Options.
func (a *Archive) Diff(ctx context.Context, src Source, origin string) (*Difference, error) {
	blocks, err := a.List(ctx, Filter{Source: src, Origin: origin})
	if err != nil {
		return nil, err
	}
	d := &Difference{Pending: []Block{}, Changed: []Block{}, Unfinished: []Block{}}
	c := copier{src: src, dst: a.store, damaged: func(string, string) bool { return false }}
	seen := map[ref]bool{}
	for _, b := range blocks {
		switch {
		case b.State == StateCovered:
			d.Covered++
		case b.State == StateUnfinished:
			d.Unfinished = append(d.Unfinished, b)
		case b.State == StatePending:
			d.Pending = append(d.Pending, b)
		case !b.InSource && b.State == StateArchived:
			d.OnlyArchived++
		case b.InSource && b.State == StateArchived:
			// of others there is a line that they are pending
			r := ref{b.Tenant, b.ID}
			if b.DerivedFrom != "" {
				r.block = b.DerivedFrom
			}
			if seen[r] {
				continue
			}
			seen[r] = true
			if err := c.compare(ctx, r, b, d); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

func (c *copier) compare(ctx context.Context, r ref, line Block, d *Difference) error {
	b, err := inspect(ctx, c.src, r.tenant, r.block)
	switch {
	case errors.Is(err, store.ErrNotExist), errors.Is(err, errUnfinished):
		return nil // it went, or goes, as we look
	case err != nil:
		return err
	}
	m, err := c.committed(ctx, b)
	if err != nil {
		return err
	}
	if m == nil {
		d.Changed = append(d.Changed, line)
		return nil
	}
	d.Same++
	return nil
}
