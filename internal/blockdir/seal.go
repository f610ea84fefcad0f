package blockdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"appliance/internal/durable"
)

// errNotSynced says that nobody knows what of a block is on the disk: a second sync would succeed without writing it.
var errNotSynced = errors.New("not synced")

// seal syncs a block with all names that lead to it, and then marks it.
func (d *Dir) seal(k key) error {
	if err := d.sync(k); err != nil {
		return fmt.Errorf("sync block %s: %w", k.id, err)
	}
	mark := d.path(sealedName, k.tenant, k.id)
	if err := durable.MkdirAll(d.fs, filepath.Dir(mark), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(d.fs, mark, nil, 0o644)
}

// unseal removes the marks of known blocks that were not found any more. It syncs nothing: a mark that comes back after a
// power cut is one of a block that is gone, and the next Recover removes it, as it does with one that cannot be removed
// now. A block that is there after all, whatever a listing said, keeps its mark, and is added to found.
func (d *Dir) unseal(found map[key]bool) {
	for k := range d.known {
		if found[k] {
			continue
		}
		if _, err := d.fs.ReadDir(d.path(blocksName, k.tenant, k.id)); !errors.Is(err, fs.ErrNotExist) {
			found[k] = true
			continue
		}
		if err := d.fs.Remove(d.path(sealedName, k.tenant, k.id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.logger.Warn("the mark of a block that is gone cannot be removed; the next start will", "block", k.id, "tenant", k.tenant, "err", err)
		}
	}
}

// Sealed says that a block is durable and has its mark, so that Next has returned it. It may be called at any time.
func (d *Dir) Sealed(tenant, id string) bool {
	f, err := d.fs.OpenFile(d.path(sealedName, tenant, id), os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

func (d *Dir) sync(k key) error {
	dir := d.path(blocksName, k.tenant, k.id)
	entries, err := d.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if err := d.syncFile(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	for _, name := range []string{dir, d.path(blocksName, k.tenant), d.path(blocksName), d.root} {
		if err := d.fs.SyncDir(name); err != nil {
			return fmt.Errorf("%w: %w", errNotSynced, err)
		}
	}
	return nil
}

func (d *Dir) syncFile(name string) error {
	f, err := d.fs.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errNotSynced, err)
	}
	return nil
}

// marks lists the sealed blocks. first says that there never was a mark.
func (d *Dir) marks() (sealed map[key]bool, first bool, err error) {
	if _, err := d.fs.ReadDir(d.path(sealedName)); errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("list %s: %w", d.path(sealedName), err)
	}
	tenants, err := d.dirs(d.path(sealedName))
	if err != nil {
		return nil, false, err
	}
	sealed = map[key]bool{}
	for _, tenant := range tenants {
		entries, err := d.fs.ReadDir(d.path(sealedName, tenant))
		if err != nil {
			return nil, false, fmt.Errorf("list marks of tenant %s: %w", tenant, err)
		}
		for _, e := range entries {
			sealed[key{tenant, e.Name()}] = true
		}
	}
	return sealed, false, nil
}
