package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"appliance/internal/durable"
)

func (d *dirStore) Put(ctx context.Context, name string, r io.Reader, size int64) (Sum, error) {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return Sum{}, err
	}
	if err := d.free(name); err != nil {
		return Sum{}, d.fail("put", name, err)
	}
	temp, sum, err := d.keep(ctx, r, size)
	if err != nil {
		return Sum{}, d.fail("put", name, err)
	}
	linked := false
	err = d.publish(name, func() error {
		err := d.fsys.Link(temp, name)
		linked = err == nil
		return err
	})
	if err != nil && linked {
		err = errors.Join(err, d.fsys.Remove(name)) // it may not be durable
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		// Without its second name the object loses nothing; Sweep finds what stays.
		_ = d.fsys.Remove(temp)
	} else {
		err = errors.Join(err, d.discard(temp))
	}
	if errors.Is(err, fs.ErrExist) {
		err = errors.Join(err, d.syncUp(name))
	}
	if err != nil {
		return Sum{}, d.fail("put", name, err)
	}
	return sum, nil
}

// free is ErrExists where name is taken, once that is durable: whoever hears of
// it builds on it.
func (d *dirStore) free(name string) error {
	f, err := d.fsys.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(ErrExists, f.Close(), d.syncUp(name))
}

func (d *dirStore) Replace(ctx context.Context, name string, data []byte) error {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	temp, _, err := d.keep(ctx, bytes.NewReader(data), int64(len(data)))
	if err == nil {
		err = d.publish(name, func() error { return d.fsys.Rename(temp, name) })
		if err != nil {
			err = errors.Join(err, d.discard(temp)) // the name has the old bytes, or the new ones
		}
	}
	if err != nil {
		return d.fail("replace", name, err)
	}
	return nil
}

// stage makes a file that no list shows. Its name is random, because several
// processes may write to one store.
func (d *dirStore) stage() (string, durable.File, error) {
	temp := stagingPrefix + rand.Text()
	f, err := d.fsys.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	return temp, f, err
}

func (d *dirStore) discard(temp string) error {
	if err := d.fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// keep writes r to a staging file and syncs it.
func (d *dirStore) keep(ctx context.Context, r io.Reader, size int64) (string, Sum, error) {
	temp, f, err := d.stage()
	if err != nil {
		return "", Sum{}, err
	}
	sum, err := d.fill(ctx, f, r, size)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return "", Sum{}, errors.Join(err, d.discard(temp))
	}
	return temp, sum, nil
}

// publish gives a synced file its name by rename, in a directory that it makes,
// and makes the names down to it durable. Each Delete that empties the directory in
// between takes it away once; that many at once will not come.
func (d *dirStore) publish(name string, rename func() error) error {
	const attempts = 100
	dir := path.Dir(name)
	var err error
	for range attempts {
		if err = d.mkdirs(dir); err != nil {
			return err
		}
		if err = rename(); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return err
	}
	return d.syncUp(name)
}

func (d *dirStore) mkdirs(dir string) error {
	if dir == "." {
		return nil
	}
	err := d.fsys.Mkdir(dir, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.mkdirs(path.Dir(dir)); err != nil {
			return err
		}
		err = d.fsys.Mkdir(dir, dirMode)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil // there, or taken away again; the rename will tell
	}
	return err
}

// syncUp syncs every directory on the way to name, also those that were there:
// who made them may not have synced them yet.
func (d *dirStore) syncUp(name string) error {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if err := d.fsys.SyncDir(dir); err != nil {
			return fmt.Errorf("sync directory %s: %w", dir, err)
		}
		if dir == "." {
			return nil
		}
	}
}
