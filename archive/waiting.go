package archive

import "context"

// noteWaiting looks at the block store where the archive does not let a pass
// come that far. What is not known to be archived is pending: whoever looks at
// the status sees that it waits, and how long it still may.
func (a *Archiver) noteWaiting(ctx context.Context) {
	if a.opt.Embedded == nil {
		return // what waits is what Tempo may delete, which only a whole look tells
	}
	for tenant, err := range tenants(ctx, a.opt.Source) {
		if err != nil {
			return // why the pass failed is known
		}
		for block, err := range blockIDs(ctx, a.opt.Source, tenant) {
			if err != nil {
				return
			}
			a.noteWaitingBlock(ctx, ref{tenant, block})
		}
	}
}

func (a *Archiver) noteWaitingBlock(ctx context.Context, r ref) {
	k := a.know(r)
	if k.state != stateUnfinished {
		return
	}
	b, err := inspect(ctx, a.opt.Source, r.tenant, r.block)
	if err != nil {
		return // the next pass says what is wrong with it
	}
	a.update(func(*Status) {
		k.state, k.end, k.level, k.bytes = statePending, b.meta.EndTime, b.meta.CompactionLevel, b.bytes
	})
}
