package archive

import (
	"context"
	"errors"
	"fmt"
)

// purge deletes the blocks of the embedded store that are older than the
// retention, archived, and proven so right before: the archived copy and the
// source's files were read, and are equal to the manifest. While the archive or
// the clock is in doubt nothing goes.
func (a *Archiver) purge(ctx context.Context) {
	why := a.doubt
	if a.clock == nil { // nothing was ever read from the store
		a.update(func(s *Status) { s.Purge.Doubt, s.Purge.Hold = why.text, why.hold })
		return
	}
	// The time is read before the clock is judged, so that no jump comes in between.
	horizon := a.opt.wall().Add(-a.opt.Embedded.Retention)
	if distrust := a.clock.Look(); why.text == "" && distrust != "" {
		why.text = "clock: " + distrust
	}
	var held int
	var heldBytes int64
	for r, k := range a.known {
		if k.state == stateDeleted || k.end.IsZero() || !k.end.Before(horizon) {
			continue
		}
		refusedBefore := k.refused > 0 && k.refused < k.looked
		if why.text == "" && ctx.Err() == nil {
			if err := a.purgeBlock(ctx, r, k); err != nil {
				if errors.Is(err, errStoreInDoubt) {
					why.text = err.Error()
				}
				a.fail(ctx, CausePurge, fmt.Errorf("purge block %s: %w", r, err))
			}
		}
		// One that is refused for the first time may be gone already. The next scan tells.
		if k.state != stateDeleted && (k.refused == 0 || refusedBefore) {
			held++
			heldBytes += k.bytes
		}
	}
	a.update(func(s *Status) {
		s.Purge.Doubt, s.Purge.Hold = why.text, why.hold
		s.Purge.HeldBlocks, s.Purge.HeldBytes = held, heldBytes
	})
}

// doubt says why nothing is purged now; without a text there is none.
type doubt struct {
	text string
	hold Hold // that is the doubt, or ""
}

// askAgain is after how many scans a block is proven again that could not be
// deleted. A proof reads all of it, twice.
const askAgain = 30

// errStoreInDoubt says that the store did not answer when a block was to be proven.
var errStoreInDoubt = errors.New("the archive cannot be read")

// purgeBlock deletes a block that is old enough.
func (a *Archiver) purgeBlock(ctx context.Context, r ref, k *known) error {
	if k.state != stateDone || k.refused > 0 && a.scans < k.refused+askAgain {
		return nil
	}
	b, err := a.proven(ctx, r, k)
	if b == nil || err != nil {
		return err
	}
	if !a.opt.Embedded.Delete(r.tenant, r.block) {
		k.refused = a.scans
		return nil
	}
	a.update(func(s *Status) {
		k.state, k.print = stateDeleted, b.print()
		s.Purge.PurgedBlocks++
		s.Purge.PurgedBytes += b.bytes
	})
	a.opt.Logger.Info("block is purged", "tenant", r.tenant, "block", r.block, "end", k.end)
	return nil
}

// sure sees once more that what is purged is kept elsewhere: in a store that is
// not the source, and that is the one of the last run.
func (a *Archiver) sure(ctx context.Context) error {
	if a.sureAt == a.scans {
		return nil
	}
	a.apart = false
	if err := a.proveApart(ctx); err != nil {
		return err
	}
	if err := a.recogniseStore(ctx); err != nil {
		return err
	}
	if why, held := a.status.Holds[HoldStore]; held {
		return errors.New(why)
	}
	a.sureAt = a.scans
	return nil
}

// proven reads a block and its archived copy, and returns the block if they are
// equal; else nil, and it is pending.
func (a *Archiver) proven(ctx context.Context, r ref, k *known) (*sourceBlock, error) {
	if err := a.sure(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errStoreInDoubt, err)
	}
	b, err := inspect(ctx, a.opt.Source, r.tenant, r.block)
	if err != nil {
		return nil, err
	}
	ok, err := a.prove(ctx, b)
	if err != nil {
		var src *sourceError
		if !errors.As(err, &src) {
			err = fmt.Errorf("%w: %w", errStoreInDoubt, err)
		}
		return nil, err
	}
	if !ok {
		a.update(func(*Status) { k.state = statePending })
		return nil, nil
	}
	return b, nil
}
