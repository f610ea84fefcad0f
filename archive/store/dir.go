package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"appliance/internal/durable"
)

// Spans hold what people type and click: nobody but the user and the group may
// read them. The umask takes away more, and what is there keeps its mode.
const (
	fileMode fs.FileMode = 0o640
	dirMode  fs.FileMode = 0o750
)

// dirStore keeps objects as files below one directory.
type dirStore struct {
	fsys  durable.FS
	path  string // absolute, for messages
	limit *limit
	close func() error
}

// openDir opens the directory; create makes it and tries to write.
func openDir(dir string, o Options) (*dirStore, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if o.Create {
		if err := durable.MkdirAll(durable.OS, dir, dirMode); err != nil {
			return nil, fmt.Errorf("make store directory %s: %w", dir, dirError(err))
		}
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open store %s: the directory does not exist; correct the path, or mount what should be there: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, dirError(err))
	}
	d := newDirStore(durable.Rooted(root), dir, o)
	d.close = root.Close
	if !o.Create {
		return d, nil
	}
	temp, file, err := d.stage()
	if err == nil {
		err = errors.Join(file.Close(), d.fsys.Remove(temp))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write to store %s: %w", dir, dirError(err)), root.Close())
	}
	return d, nil
}

func newDirStore(fsys durable.FS, dir string, o Options) *dirStore {
	return &dirStore{fsys, dir, newLimit(o.BytesPerSecond), func() error { return nil }}
}

func (d *dirStore) URL() string { return (&url.URL{Scheme: "file", Path: d.path}).String() }

func (d *dirStore) Close() error { return d.close() }

// fail says what could not be done to which object.
func (d *dirStore) fail(verb, name string, err error) error {
	return fmt.Errorf("%s %s in %s: %w", verb, name, d.path, dirError(err))
}

// dirError adds the sentinels of the package and what to do.
func dirError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the filesystem is mounted read-only: %w", ErrDenied, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: give user %d the right to write there: %w", ErrDenied, os.Geteuid(), err)
	}
	return err
}

func (d *dirStore) List(ctx context.Context, dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		entries, err := d.list(dir)
		if err != nil {
			yield(Entry{}, d.fail("list", dir, err))
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			entry := Entry{Name: e.Name(), Dir: e.IsDir()}
			if !e.IsDir() {
				info, err := e.Info()
				if errors.Is(err, fs.ErrNotExist) {
					continue // deleted meanwhile
				}
				if err != nil {
					yield(Entry{}, d.fail("list", path.Join(dir, e.Name()), err))
					return
				}
				entry.Size = info.Size()
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}

// list is what of a directory an object store would show, in its order.
func (d *dirStore) list(dir string) ([]fs.DirEntry, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	entries, err := d.fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return strings.HasPrefix(e.Name(), stagingPrefix) || !e.IsDir() && !e.Type().IsRegular()
	})
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(sortKey(a), sortKey(b)) })
	return entries, nil
}

func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

func (d *dirStore) Delete(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	err := durable.Remove(d.fsys, name)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENOTEMPTY) {
		return nil // an object stands where its directory would be, or a directory in its own place
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.fail("delete", name, err)
	}
	// A directory that others still use refuses; a Put that was about to use it makes it again.
	for dir := path.Dir(name); dir != "." && d.fsys.Remove(dir) == nil; dir = path.Dir(dir) {
	}
	return nil
}

func (d *dirStore) Sweep(ctx context.Context, age time.Duration) (int, error) {
	entries, err := d.fsys.ReadDir(".")
	if err != nil {
		return 0, d.fail("list", "staging files", err)
	}
	removed := 0
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if !strings.HasPrefix(e.Name(), stagingPrefix) || e.IsDir() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && time.Since(info.ModTime()) < age {
			continue
		}
		if err == nil {
			err = d.fsys.Remove(e.Name())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, d.fail("remove", e.Name(), err)
		}
		removed++
	}
	return removed, nil
}
