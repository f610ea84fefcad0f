package blockdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable"
)

// Recovered is what Recover found.
type Recovered struct {
	Blocks     int // in place
	Sealed     int // of these, now: they had no mark and are whole
	Damaged    int // moved to damaged/
	Unfinished int // removed: without meta.json
}

// Recover puts the directory in order after whatever ended the last run. Tempo must not be running. Next will return
// the blocks written at or after since.
func (d *Dir) Recover(since time.Time) (Recovered, error) {
	var r Recovered
	if err := durable.MkdirAll(d.fs, d.path(blocksName), 0o755); err != nil {
		return r, err
	}
	sealed, first, err := d.marks()
	if err != nil {
		return r, err
	}
	// What a Tempo that ran here before the first of our marks has left is taken as it is.
	err = d.each(func(k key) error {
		b, err := d.read(k)
		switch {
		case err != nil && !first && !sealed[k]:
			r.Damaged++
			return d.setAside(k, err)
		case err != nil:
			d.logger.Error("a block cannot be read and is left alone", "block", k.id, "tenant", k.tenant, "err", err)
			d.known[k] = true
			delete(sealed, k)
			return nil
		case b == nil && first:
			return nil
		case b == nil:
			return d.recoverIncomplete(k, &r)
		case !sealed[k]:
			if !first {
				// A format that is unknown is not of a block that was written since then.
				if err := d.verify(k, b.Meta); err != nil && !errors.Is(err, block.ErrFormat) {
					r.Damaged++
					return d.setAside(k, err)
				}
			}
			switch err := d.seal(k); {
			case errors.Is(err, errNotSynced):
				r.Damaged++
				return d.setAside(k, err)
			case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
				return nil // Next marks it when there is room
			case err != nil:
				return err
			}
			r.Sealed++
		}
		r.Blocks++
		delete(sealed, k)
		if b.Written.Before(since) {
			d.known[k] = true
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	changed := map[string]bool{}
	for k := range sealed { // of blocks that are gone
		mark := d.path(sealedName, k.tenant, k.id)
		if err := d.fs.Remove(mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
		changed[filepath.Dir(mark)] = true
	}
	for dir := range changed { // once each: there may be many marks
		if err := d.fs.SyncDir(dir); err != nil {
			return r, fmt.Errorf("sync directory %s: %w", dir, err)
		}
	}
	return r, durable.MkdirAll(d.fs, d.path(sealedName), 0o755)
}

// verify reads everything of a block. One that was not synced before the machine
// lost power can be damaged in any of its files.
func (d *Dir) verify(k key, m block.Meta) error {
	src := block.OpenFiles(func(name string) (block.File, error) {
		return d.fs.OpenFile(d.path(blocksName, k.tenant, k.id, name), os.O_RDONLY, 0)
	})
	defer src.Close() // only read from
	ctx := context.Background()
	b, err := block.OpenMeta(ctx, src, m, block.Options{})
	if err != nil {
		return err
	}
	_, err = b.Verify(ctx, 0)
	return err
}

// recoverIncomplete handles a directory without a meta.json that can be read: one that Tempo has marked for deletion
// stays, one that it was writing is removed, since what was to be in it is in the spool.
func (d *Dir) recoverIncomplete(k key, r *Recovered) error {
	dir := d.path(blocksName, k.tenant, k.id)
	entries, err := d.fs.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		switch e.Name() {
		case block.CompactedMetaName:
			return nil
		case block.MetaName:
			r.Damaged++
			return d.setAside(k, errors.New("its meta.json cannot be read"))
		}
	}
	for _, e := range entries {
		if err := d.fs.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove an unfinished block: %w", err)
		}
	}
	r.Unfinished++
	return durable.Remove(d.fs, dir)
}

// setAside moves a damaged block out of Tempo's sight, where a person can look at it.
func (d *Dir) setAside(k key, why error) error {
	if err := durable.MkdirAll(d.fs, d.path(damagedName), 0o755); err != nil {
		return err
	}
	to := d.path(damagedName, k.tenant+"-"+k.id)
	for n := 2; ; n++ {
		if _, err := d.fs.ReadDir(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = d.path(damagedName, fmt.Sprintf("%s-%s-%d", k.tenant, k.id, n))
	}
	if err := durable.Rename(d.fs, d.path(blocksName, k.tenant, k.id), to); err != nil {
		return fmt.Errorf("move a damaged block aside: %w", err)
	}
	d.logger.Error("a block of which nobody knows whether it is whole on the disk was moved aside; its spans are sent again from the spool", "block", k.id, "tenant", k.tenant, "to", to, "err", why)
	return nil
}
