package blockstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"appliance/internal/block"
	"appliance/internal/durable"
)

// What version 0.1 had in its directory of the embedded Tempo.
const (
	oldBlocks = "blocks" // TENANT/BLOCK/
	oldSealed = "sealed" // TENANT/BLOCK, a file for each block that is synced and proven
	oldLeft   = "left"   // TENANT/BLOCK/, what we do not take, for a person to look at
)

// adoption moves the blocks of version 0.1 into the store.
type adoption struct {
	fs       durable.FS
	from, to string
	log      *slog.Logger

	sealed        bool // there are marks: a block without one is not proven
	adopted, left int
}

// Adopt takes over the blocks of a Tempo's directory, by renaming them: those
// that the Tempo within version 0.1 has left, or that a person has put there.
// Where version 0.1 has marked blocks as proven, the others are set aside: their
// spans are in the spool, and a block is made of them again. Where there are no
// marks, blocks are read from end to end, and those set aside that are damaged.
// So are, in either case, those that a Tempo has merged into others.
// It does nothing where there is no such directory, and goes on where a crash
// has ended it.
func Adopt(ctx context.Context, fsys durable.FS, from, to string, log *slog.Logger) error {
	a := &adoption{fs: fsys, from: from, to: to, log: log}
	if err := a.run(ctx); err != nil {
		return fmt.Errorf("take over the blocks of %s: %w", from, err)
	}
	if a.adopted+a.left > 0 {
		log.Info("took over the blocks of a Tempo", "from", from, "blocks", a.adopted, "set_aside", a.left)
	}
	return nil
}

func (a *adoption) run(ctx context.Context) error {
	tenants, err := a.dirs(filepath.Join(a.from, oldBlocks))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	switch _, err := a.fs.ReadDir(filepath.Join(a.from, oldSealed)); {
	case err == nil:
		a.sealed = true
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for _, tenant := range tenants {
		ids, err := a.dirs(filepath.Join(a.from, oldBlocks, tenant))
		if err != nil {
			return err
		}
		if err := durable.MkdirAll(a.fs, filepath.Join(a.to, tenant), dirMode); err != nil {
			return err
		}
		successors, err := a.successors(tenant)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := a.block(ctx, tenant, id, successors); err != nil {
				return fmt.Errorf("block %s of tenant %s: %w", id, tenant, err)
			}
		}
	}
	if !a.sealed {
		return nil
	}
	// The marks say nothing of blocks that come later.
	if err := removeAll(a.fs, filepath.Join(a.from, oldSealed)); err != nil {
		return err
	}
	return a.fs.SyncDir(a.from)
}

func (a *adoption) dirs(name string) ([]string, error) {
	entries, err := a.fs.ReadDir(name)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// block takes one over, if it is whole.
func (a *adoption) block(ctx context.Context, tenant, id string, successors []block.Meta) error {
	dir := filepath.Join(a.from, oldBlocks, tenant, id)
	leave := func(why string, err error) error {
		a.left++
		to := filepath.Join(a.from, oldLeft, tenant, id)
		for n := 2; a.has(to); n++ {
			to = filepath.Join(a.from, oldLeft, tenant, fmt.Sprintf("%s-%d", id, n))
		}
		a.log.Warn("a block of a Tempo is not taken over", "dir", to, "why", why, "err", err)
		if err := durable.MkdirAll(a.fs, filepath.Dir(to), dirMode); err != nil {
			return err
		}
		return durable.Rename(a.fs, dir, to)
	}
	if a.sealed {
		if _, err := a.fs.Stat(filepath.Join(a.from, oldSealed, tenant, id)); errors.Is(err, fs.ErrNotExist) {
			return leave("it was not proven; its spans are in the spool", nil)
		} else if err != nil {
			return err
		}
	}
	if merged, err := a.isMerged(dir, successors); err != nil {
		return err
	} else if merged {
		return leave("a Tempo has merged it into another", nil)
	}
	if err := a.unmark(dir); errors.Is(err, fs.ErrNotExist) {
		return leave("it has no meta.json, so it was not finished or is deleted", nil)
	} else if err != nil {
		return err
	}
	if !a.sealed {
		if err := a.verify(ctx, dir); err != nil && !errors.Is(err, block.ErrFormat) {
			return leave("it is damaged", err)
		}
		if err := a.sync(dir); err != nil {
			return err
		}
	}
	to := filepath.Join(a.to, tenant, id)
	if a.has(to) {
		return leave("there is one of that id", nil)
	}
	if err := durable.Rename(a.fs, dir, to); err != nil {
		return err
	}
	a.adopted++
	return nil
}

// has says whether something has a name.
func (a *adoption) has(name string) bool {
	_, err := a.fs.ReadDir(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// unmark takes back that a block was to be deleted: whether it may go is found
// out again.
func (a *adoption) unmark(dir string) error {
	meta := filepath.Join(dir, block.MetaName)
	_, err := a.fs.Stat(meta)
	if errors.Is(err, fs.ErrNotExist) {
		return durable.Rename(a.fs, filepath.Join(dir, block.CompactedMetaName), meta)
	}
	return err
}

// verify reads everything of a block.
func (a *adoption) verify(ctx context.Context, dir string) error {
	src := block.OpenFiles(func(name string) (block.File, error) {
		return a.fs.OpenFile(filepath.Join(dir, name), os.O_RDONLY, 0)
	})
	defer src.Close() // only read from
	b, err := block.Open(ctx, src, block.Options{})
	if err != nil {
		return err
	}
	_, err = b.Verify(ctx, 0)
	return err
}

// sync makes a block durable, which Tempo does not.
func (a *adoption) sync(dir string) error {
	entries, err := a.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		f, err := a.fs.OpenFile(filepath.Join(dir, e.Name()), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		err = f.Sync()
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return a.fs.SyncDir(dir)
}
