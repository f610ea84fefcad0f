package archive

import (
	"context"
	"time"

	"appliance/archive/store"
	"appliance/internal/wallclock"
)

// pruneTrial is for how long a clock that is doubted must keep step before
// blocks are pruned by it. Pruning is for good, and nothing is urgent about it;
// but a machine that sleeps every night has to come to it in a day.
const pruneTrial = 6 * time.Hour

// Pruner prunes an archive now and then. While the clock is in doubt nothing is
// pruned by its age: which blocks are the oldest does not depend on it.
type Pruner struct {
	archive *Archive
	source  Source
	keep    Keep
	clock   *wallclock.Clock // nil before the first Prune
}

// NewPruner returns a Pruner of what is not kept; see PlanPrune for what it
// spares. The source may be nil.
func NewPruner(s store.Store, src Source, keep Keep) *Pruner {
	return &Pruner{archive: Open(s), source: src, keep: keep}
}

// Prune prunes once. doubt says why nothing was, though there are blocks that are old enough.
func (p *Pruner) Prune(ctx context.Context) (pruned int, doubt string, err error) {
	// before the plan, so that a clock that is set right meanwhile is seen to jump
	if p.clock == nil {
		inv, err := takeInventory(ctx, p.archive.store)
		if err != nil {
			return 0, "", err
		}
		start := time.Now()
		p.clock = wallclock.New(p.archive.now, func() time.Duration { return time.Since(start) }, pruneTrial, inv.lastArchived())
	}
	plan, err := p.archive.PlanPrune(ctx, p.keep, p.source)
	if err != nil {
		return 0, "", err
	}
	doubt = p.clock.Look()
	if doubt != "" && len(plan.Blocks) > 0 && p.keep.Bytes > 0 {
		if plan, err = p.archive.PlanPrune(ctx, Keep{Bytes: p.keep.Bytes}, p.source); err != nil {
			return 0, "", err
		}
		pruned, err = plan.Run(ctx, nil)
		if p.keep.Age == 0 {
			doubt = ""
		}
		return pruned, doubt, err
	}
	if len(plan.Blocks) == 0 {
		return 0, "", nil
	}
	if doubt != "" {
		return 0, doubt, nil
	}
	pruned, err = plan.Run(ctx, nil)
	return pruned, "", err
}

// lastArchived is the latest time at which an archiver is known to have worked.
func (inv *inventory) lastArchived() time.Time {
	var last int64
	for _, e := range inv.archived {
		last = max(last, e.archived)
	}
	return unix(last)
}
