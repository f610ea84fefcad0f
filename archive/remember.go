package archive

import (
	"context"
	"errors"
	"time"

	"appliance/archive/store"
	"appliance/internal/wallclock"
)

// remember writes down what a restart should know, and the catalog, when it is time.
func (a *Archiver) remember(ctx context.Context, now bool) {
	if a.recalled && (now || time.Since(a.remembered) >= a.rememberEvery()) {
		if err := a.saveMemory(ctx); err != nil {
			a.fail(ctx, causeOf(err), err)
		} else {
			a.remembered = time.Now()
		}
	}
	changes := a.fresh + len(a.verified)
	if changes >= catalogEvery || changes > 0 && (now || time.Since(a.cataloged) >= catalogAfter) {
		a.saveCatalog(ctx)
	}
}

// saveMemory writes it with the gaps that other archivers of the source have recorded since.
func (a *Archiver) saveMemory(ctx context.Context) error {
	theirs, err := recall(ctx, a.opt.Store, a.opt.Origin)
	if err != nil && !errors.Is(err, errForgotten) {
		return err
	}
	a.mu.Lock()
	a.memory.joinGaps(theirs.Gaps)
	m := a.memory
	a.mu.Unlock()
	return m.save(ctx, a.opt.Store)
}

// trial is for how long a clock that is doubted must keep step.
func (a *Archiver) trial() time.Duration {
	if a.opt.Embedded != nil {
		return min(wallclock.Trial, a.opt.Embedded.Retention)
	}
	return wallclock.Trial
}

// rememberEvery is how old what is written down may get. A short pause must not
// look like a long one, for which the clock is doubted or a gap recorded.
func (a *Archiver) rememberEvery() time.Duration {
	if a.opt.Embedded != nil {
		return min(rememberEvery, a.trial()/2)
	}
	return min(rememberEvery, a.opt.CompactedRetention/rememberShare)
}

const (
	rememberEvery = 5 * time.Minute
	rememberShare = 10        // of the time for which Tempo keeps a block that it marked
	catalogEvery  = 64        // blocks that the catalog lacks; each costs a reader one small read
	catalogAfter  = time.Hour // at the latest
)

// saveCatalog brings the catalog up to date with the store, whoever wrote to that.
func (a *Archiver) saveCatalog(ctx context.Context) {
	inv, err := takeInventory(ctx, a.opt.Store)
	if err != nil {
		a.fail(ctx, causeOf(err), err)
		return
	}
	if inv.catalogErr != nil {
		a.inDoubt(ctx, CauseCatalog, inv.catalogErr)
	}
	a.setStored(inv.bytes())
	for r, at := range a.verified {
		if e := inv.find(r); e != nil {
			e.verified = max(e.verified, at)
		}
	}
	if err := inv.save(ctx, a.opt.Store); err != nil {
		a.fail(ctx, causeOf(err), err)
		return
	}
	a.fresh, a.cataloged = 0, time.Now()
	clear(a.verified)
}

// begin makes the first look of a term like that of a new process: what we knew
// of a Tempo elsewhere is of our last term, and others have looked, archived
// and written down since. The embedded store is ours alone, so all that is
// known of it still holds, with the trial of the clock.
func (a *Archiver) begin() {
	if a.opt.Embedded != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.known)
	a.scanned, a.status.LastScan = time.Time{}, time.Time{}
	a.recalled, a.apart, a.remembered = false, false, time.Time{}
}

// recall reads what an earlier run wrote down, once a term. What the end of our
// last term kept us from writing down is not forgotten: its gaps, and when it
// looked last.
func (a *Archiver) recall(ctx context.Context) error {
	if a.recalled {
		return nil
	}
	m, err := recall(ctx, a.opt.Store, a.opt.Origin)
	if err != nil && !errors.Is(err, errForgotten) {
		return err
	}
	a.fail(ctx, CauseCatalog, err)
	if err := a.count(ctx); err != nil {
		return err
	}
	start := time.Now()
	a.clock = wallclock.New(a.opt.wall, func() time.Duration { return time.Since(start) }, a.trial(), m.ScannedAt)
	a.mu.Lock()
	m.joinGaps(a.memory.Gaps)
	if m.ScannedAt.Before(a.memory.ScannedAt) {
		m.ScannedAt = a.memory.ScannedAt
	}
	a.memory = m
	a.mu.Unlock()
	a.recalled = true
	// A catalog that is damaged casts doubt until it is rebuilt; better now
	// than at the first purge.
	text, err := store.ReadFile(ctx, a.opt.Store, catalogName, maxCatalogBytes)
	if err == nil {
		_, err = decodeCatalog(text)
	}
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		a.saveCatalog(ctx)
	}
	return nil
}

// sweep removes once a day what copying that was interrupted left out of sight.
func (a *Archiver) sweep(ctx context.Context) {
	if !a.recalled || !a.swept.IsZero() && time.Since(a.swept) < sweepAge {
		return
	}
	a.swept = time.Now()
	if n, err := a.opt.Store.Sweep(ctx, sweepAge); err != nil {
		a.fail(ctx, causeOf(err), err)
	} else if n > 0 {
		a.opt.Logger.Info("the rest of interrupted copies is removed", "count", n)
	}
}

// sweepAge is longer than any copy takes.
const sweepAge = 24 * time.Hour
