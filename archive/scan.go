package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"appliance/archive/store"
)

// relookBlocks is about how many blocks that were found archived are looked at
// again in one scan. All of a small storage are, in case Tempo wrote one again
// under its id; of a large one, a part in turn.
const relookBlocks = 2000

// scan lists the source, sorts out what is archived, and returns the rest in
// the order of urgency. What could not be listed or looked at is said by
// unlisted, and keeps nothing of the rest from being archived. Where that is
// everything, or it is the store that fails, it is err.
func (a *Archiver) scan(ctx context.Context) (due []ref, unlisted, err error) {
	a.scans++
	turns := uint64(len(a.known)/relookBlocks + 1)
	var failed failures
	for tenant, err := range tenants(ctx, a.opt.Source) {
		if err == nil {
			err = a.scanTenant(ctx, tenant, turns, &failed)
		}
		if err := failed.take(ctx, err); err != nil {
			return nil, nil, err
		}
	}
	unlisted = failed.err()
	if unlisted == nil {
		a.forgetGone()
	}
	seen := false
	for r, k := range a.known {
		seen = seen || k.looked == a.scans
		if k.state == statePending && k.looked == a.scans {
			due = append(due, r)
		}
	}
	if unlisted != nil && !seen {
		return nil, nil, unlisted
	}
	// Lower levels first, since they cover the higher; what Tempo will delete
	// first before the rest. What failed comes last, so that it does not hold
	// up the others.
	slices.SortFunc(due, func(x, y ref) int {
		p, q := a.known[x], a.known[y]
		return cmp.Or(cmp.Compare(p.tries(), q.tries()), cmp.Compare(p.level, q.level), p.urgency().Compare(q.urgency()), p.end.Compare(q.end), x.compare(y))
	})
	return due, unlisted, nil
}

// scanTenant looks at the blocks of a tenant. What fails of one of them is
// noted, and the error is that of their listing.
func (a *Archiver) scanTenant(ctx context.Context, tenant string, turns uint64, failed *failures) error {
	for block, err := range blockIDs(ctx, a.opt.Source, tenant) {
		if err != nil {
			return err
		}
		r := ref{tenant, block}
		k := a.know(r)
		if (k.state == stateDone || k.state == stateCovered) && a.opt.Embedded == nil && turn(block, turns) != a.scans%turns {
			continue
		}
		if err := failed.take(ctx, a.look(ctx, r, k)); err != nil {
			return err
		}
	}
	return nil
}

// failures are those of a source while it is listed: the first, and how many.
type failures struct {
	first error
	count int
}

// take notes an error of the source, and returns any other, which ends the listing.
func (f *failures) take(ctx context.Context, err error) error {
	var src *sourceError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || !errors.As(err, &src):
		return err
	}
	if f.count++; f.count == 1 {
		f.first = err
	}
	return nil
}

func (f *failures) err() error {
	if f.count < 2 {
		return f.first
	}
	return fmt.Errorf("%w; and %d errors more", f.first, f.count-1)
}

// urgency is when Tempo began to count towards the block's end, and never for
// one that is not marked.
func (k *known) urgency() time.Time {
	if k.markedSeen.IsZero() {
		return time.Unix(1<<40, 0)
	}
	return k.markedSeen
}

func (k *known) tries() int {
	if k.failed {
		return 1
	}
	return 0
}

// turn tells in which of some scans a block is looked at again.
func turn(block string, turns uint64) uint64 {
	n, _ := strconv.ParseUint(block[:8], 16, 64) // a UUID
	return n % turns
}

func (a *Archiver) know(r ref) *known {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.known[r]
	if k == nil {
		k = &known{state: stateUnfinished, seen: time.Now()}
		a.known[r] = k
	}
	k.looked = a.scans
	return k
}

// look finds out whether a block is archived. An error is one of the store or of
// the whole source. Of the block store, where each block is proven before it goes,
// one that cannot be read is pending, and no doubt about the others.
func (a *Archiver) look(ctx context.Context, r ref, k *known) error {
	err := a.tryLook(ctx, r, k)
	var src *sourceError
	if a.opt.Embedded == nil || ctx.Err() != nil || !errors.As(err, &src) {
		return err
	}
	if k.state == stateUnfinished {
		a.update(func(*Status) { k.state = statePending }) // copying it will say why it cannot be
	}
	if k.state != statePending {
		a.fail(ctx, causeOf(err), err, "tenant", r.tenant, "block", r.block)
	}
	return nil
}

// tryLook reads a block's meta, and asks the store for its manifest.
func (a *Archiver) tryLook(ctx context.Context, r ref, k *known) error {
	b, err := inspect(ctx, a.opt.Source, r.tenant, r.block)
	switch {
	case k.state == stateDeleted && (errors.Is(err, errUnfinished) || err == nil && k.print == b.print()):
		return nil // a query reads it, or it goes as we look
	case errors.Is(err, errUnfinished):
		a.update(func(*Status) { k.state = stateUnfinished })
		return nil
	case errors.Is(err, store.ErrNotExist):
		return nil // it goes as we look; the next scan will not see it
	case errors.Is(err, errDamaged):
		a.update(func(*Status) { k.state = statePending }) // copying it will say why it cannot be
		return nil
	case err != nil:
		return err
	}
	archived := k.state == stateDone && k.print == b.print()
	var archivedAt time.Time
	if !archived {
		m, err := a.copy.committed(ctx, b)
		if err != nil {
			return err
		}
		if archived = m != nil; archived {
			archivedAt = m.ArchivedAt
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	k.print = b.print()
	k.level, k.bytes = b.meta.CompactionLevel, b.bytes
	k.count(b.meta.EndTime, archivedAt, a.opt.wall())
	switch {
	case archived:
		k.state = stateDone
	case a.opt.Embedded == nil && a.memory.Covered[r.String()] == hexSum(sha256.Sum256(b.text)):
		k.state = stateCovered
	default:
		k.state = statePending
	}
	if !b.marked || b.unmarked {
		k.markedSeen = time.Time{}
	} else if k.markedSeen.IsZero() {
		k.markedSeen = time.Now()
	}
	return nil
}

// count notes from when on the age of a block counts: the end of its spans. Where
// a client's clock is ahead that lies in the future, and the block would never go:
// it counts from when the spans were here.
func (k *known) count(end, archivedAt, now time.Time) {
	if k.end = end; !end.After(now) {
		k.came = time.Time{}
		return
	}
	if k.came.IsZero() {
		k.came = now
	}
	if !archivedAt.IsZero() && archivedAt.Before(k.came) {
		k.came = archivedAt
	}
	k.end = k.came
}

// forgetGone drops what the scan did not see. What goes before it was archived is a gap.
func (a *Archiver) forgetGone() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for r, k := range a.known {
		if k.looked == a.scans {
			continue
		}
		delete(a.known, r)
		delete(a.memory.Covered, r.String())
		if k.state != statePending {
			continue
		}
		now := a.opt.wall()
		a.memory.addGap(Gap{From: now.Add(-time.Since(k.seen)), To: now, Reason: "the block was deleted before it was archived", Tenant: r.tenant, Block: r.block})
		a.status.Failures[CauseGone]++
		a.status.LastFailure, a.status.LastFailureAt = fmt.Sprintf("block %s was deleted from the source before it was archived", r), now
		a.opt.Logger.Error("block was deleted from the source before it was archived", "tenant", r.tenant, "block", r.block)
		a.remembered = time.Time{} // write it down now
	}
}

// noteScan records that the source was listed whole, and a gap where that was too long ago.
func (a *Archiver) noteScan(started time.Time) {
	wall := a.opt.wall().UTC().Truncate(time.Second)
	a.mu.Lock()
	defer a.mu.Unlock()
	limit := a.opt.CompactedRetention
	if last := a.memory.ScannedAt; a.opt.Embedded == nil && !last.IsZero() && wall.Sub(last) > limit {
		reason := fmt.Sprintf("the source was not looked at for %s, and Tempo may delete a block %s after it marked it", wall.Sub(last), limit)
		a.memory.addGap(Gap{From: last, To: wall, Reason: reason})
		a.opt.Logger.Error("blocks may have been deleted from the source unseen", "from", last, "to", wall)
		a.remembered = time.Time{}
	}
	a.memory.ScannedAt, a.status.LastScan, a.scanned = wall, wall, started
}
