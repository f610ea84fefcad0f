package archive

import (
	"context"
	"fmt"
)

// hasRoom asks whether a block may be copied now. If not, archiving stops until
// the next pass. That is told of once, and is no doubt: what is archived is
// purged as its time comes, which makes room.
func (a *Archiver) hasRoom(ctx context.Context, r ref) bool {
	if a.opt.Room == nil {
		return true
	}
	err := a.opt.Room(a.known[r].bytes)
	first := err != nil && !a.short
	a.short = err != nil
	if first {
		a.fail(ctx, CauseFull, fmt.Errorf("archive block %s: %w", r, err))
	}
	return err == nil
}
