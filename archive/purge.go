package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"appliance/archive/store"
	"appliance/internal/durable"
)

// purge moves the blocks of the embedded Tempo that are older than the retention one step on:
//
//	proven   the archived copy and the source's files were read, and are equal to the manifest
//	marked   meta.json is renamed to meta.compacted.json; Tempo takes it off its list with its next poll
//	cleared  after the grace, once more archived: all files go, the meta last, then the directory
//
// The meta goes last so that what a crash leaves is still recognised as a marked block, and finished. Times of grace
// are counted by the monotonic clock from when this process saw the mark. While the archive is in doubt nothing moves.
func (a *Archiver) purge(ctx context.Context) {
	doubt := a.doubt
	if a.clock == nil { // nothing was ever read from the store
		a.update(func(s *Status) { s.Purge.Doubt = doubt })
		return
	}
	if distrust := a.clock.look(); doubt == "" && distrust != "" {
		doubt = "clock: " + distrust
	}
	horizon := a.opt.Wall().Add(-a.opt.Embedded.Retention)
	var held, marked int
	var heldBytes int64
	for r, k := range a.known {
		old := !k.end.IsZero() && k.end.Before(horizon)
		if doubt == "" && ctx.Err() == nil {
			if err := a.purgeStep(ctx, r, k, old); err != nil {
				if errors.Is(err, errStoreInDoubt) {
					doubt = err.Error()
				}
				a.fail(ctx, CausePurge, fmt.Errorf("purge block %s: %w", r, err))
			}
		}
		switch {
		case k.looked == gone:
		case !k.markedSeen.IsZero():
			marked++
		case old:
			held++
			heldBytes += k.bytes
		}
	}
	a.update(func(s *Status) {
		for r, k := range a.known {
			if k.looked == gone {
				delete(a.known, r)
			}
		}
		s.Purge.Doubt, s.Purge.HeldBlocks, s.Purge.HeldBytes, s.Purge.MarkedBlocks = doubt, held, heldBytes, marked
	})
}

// gone is the value of known.looked for a block that was cleared.
const gone = ^uint64(0)

// errStoreInDoubt says that the store did not answer when a block was to be proven.
var errStoreInDoubt = errors.New("the archive cannot be read")

func (a *Archiver) purgeStep(ctx context.Context, r ref, k *known, old bool) error {
	switch {
	case k.state == stateUnfinished && k.files == 0:
		return a.clearRemains(ctx, r)
	case k.state != stateDone:
		return nil
	case !k.markedSeen.IsZero():
		if time.Since(k.markedSeen) < a.opt.Embedded.Grace {
			return nil
		}
		return a.clear(ctx, r, k)
	case !old || a.opt.Embedded.Needed(r.tenant, r.block):
		return nil
	}
	b, err := a.proven(ctx, r, k)
	if b == nil || err != nil {
		return err
	}
	if err := a.markCompacted(ctx, b); err != nil {
		return err
	}
	a.update(func(*Status) { k.markedSeen = time.Now() })
	a.opt.Logger.Info("block is marked for purging", "tenant", r.tenant, "block", r.block, "end", k.end)
	return nil
}

// sure sees once more that what is purged is kept elsewhere: in a store that is not the source, and that is the one of
// the last run.
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

// proven returns the block if it is archived and proven so, by this process; else nil.
func (a *Archiver) proven(ctx context.Context, r ref, k *known) (*sourceBlock, error) {
	if err := a.sure(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errStoreInDoubt, err)
	}
	b, err := inspect(ctx, a.opt.Source, r.tenant, r.block)
	if err != nil {
		return nil, err
	}
	ok := true
	if k.proven && k.print == b.print() {
		m, err := a.copy.committed(ctx, b) // still there, by the names
		if err == nil && m != nil {
			err = a.checkFilesApart(b, m)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errStoreInDoubt, err)
		}
		ok = m != nil
	} else if ok, err = a.prove(ctx, b); err != nil {
		var src *sourceError
		if !errors.As(err, &src) {
			err = fmt.Errorf("%w: %w", errStoreInDoubt, err)
		}
		return nil, err
	}
	a.update(func(*Status) {
		k.proven = ok
		k.print = b.print()
		if !ok {
			k.state = statePending
		}
	})
	if !ok {
		return nil, nil
	}
	return b, nil
}

func (a *Archiver) path(r ref, file string) string {
	return filepath.Join(a.opt.Embedded.Dir, r.tenant, r.block, file)
}

// markCompacted does what Tempo does to a block that it will delete, and makes it durable.
func (a *Archiver) markCompacted(ctx context.Context, b *sourceBlock) error {
	r := ref{b.tenant, b.id}
	if b.marked { // and unmarked as well
		other, err := store.ReadFile(ctx, a.opt.Source, ObjectName(b.tenant, b.id, compactedMetaName), maxMetaBytes)
		if err != nil {
			return err
		}
		if !bytes.Equal(other, b.text) {
			return fmt.Errorf("its %s and %s differ; remove the wrong one by hand", MetaName, compactedMetaName)
		}
		return durable.Remove(a.opt.Embedded.FS, a.path(r, MetaName))
	}
	return durable.Rename(a.opt.Embedded.FS, a.path(r, MetaName), a.path(r, compactedMetaName))
}

// clear deletes a marked block.
func (a *Archiver) clear(ctx context.Context, r ref, k *known) error {
	b, err := a.proven(ctx, r, k)
	if b == nil || err != nil {
		return err
	}
	if b.unmarked {
		return fmt.Errorf("%s is there again", MetaName)
	}
	fsys := a.opt.Embedded.FS
	for _, f := range b.files {
		if err := ignoreMissing(fsys.Remove(a.path(r, f.Name))); err != nil {
			return err
		}
	}
	// Before the meta goes, the rest must be gone for good, or a crash would leave files that nothing explains.
	if err := fsys.SyncDir(a.path(r, "")); err != nil {
		return fmt.Errorf("sync directory %s: %w", a.path(r, ""), err)
	}
	if err := durable.Remove(fsys, a.path(r, compactedMetaName)); err != nil {
		return err
	}
	if err := durable.Remove(fsys, a.path(r, "")); err != nil {
		return err
	}
	a.update(func(s *Status) {
		k.looked = gone
		s.Purge.PurgedBlocks++
		s.Purge.PurgedBytes += k.bytes
	})
	a.opt.Logger.Info("block is purged", "tenant", r.tenant, "block", r.block)
	return nil
}

// clearRemains removes the empty directory that a crash between the last two steps of clear leaves. One of a block
// that is not archived is left alone: Tempo may be about to write it.
func (a *Archiver) clearRemains(ctx context.Context, r ref) error {
	if _, err := ReadManifest(ctx, a.opt.Store, r.tenant, r.block); errors.Is(err, store.ErrNotExist) || isBadManifest(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%w: %w", errStoreInDoubt, err)
	}
	// Only an empty one goes.
	return durable.Remove(a.opt.Embedded.FS, a.path(r, ""))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
