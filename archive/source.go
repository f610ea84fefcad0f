package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"appliance/archive/store"
)

// A Source is where blocks are copied from: the appliance's own block store, or
// the storage of a Tempo. Nothing is ever written to it through this interface. A
// store.Store is one, since the layout is the same.
type Source interface {
	// List yields the direct children of dir, and none when it is not there.
	List(ctx context.Context, dir string) iter.Seq2[store.Entry, error]
	// Open opens a file, or returns store.ErrNotExist.
	Open(ctx context.Context, name string) (store.Object, error)
	// URL is where it is, without secrets.
	URL() string
	Close() error
}

// OpenSource opens a place with blocks for reading: file:///path, a path, or
// s3://bucket/prefix?... with the parameters and credentials that store.Open
// describes. What is wrong with the URL itself is store.ErrURL.
func OpenSource(ctx context.Context, rawURL string, log *slog.Logger) (Source, error) {
	if err := store.CheckURL(rawURL); err != nil {
		return nil, err
	}
	if strings.HasPrefix(rawURL, "s3:") {
		s, err := store.Open(ctx, rawURL, store.Options{Logger: log})
		if err != nil {
			return nil, fmt.Errorf("open the source: %w", err)
		}
		return s, nil
	}
	dir := rawURL
	if u, err := url.Parse(rawURL); err == nil && u.Scheme == "file" {
		dir = u.Path
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the source: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the source: %w", err)
	}
	return &dirSource{root: root, url: (&url.URL{Scheme: "file", Path: dir}).String()}, nil
}

// dirSource reads a directory. It is not a directory store, because that one
// stages its writes there, and because the store it copies to can share the
// bytes of an *os.File.
type dirSource struct {
	root *os.Root
	url  string
}

func (d *dirSource) URL() string  { return d.url }
func (d *dirSource) Close() error { return d.root.Close() }

func (d *dirSource) List(ctx context.Context, dir string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		entries, err := d.readDir(dir)
		if err != nil {
			yield(store.Entry{}, fmt.Errorf("list %s of %s: %w", dir, d.url, err))
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(store.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (d *dirSource) readDir(dir string) ([]store.Entry, error) {
	f, err := d.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var entries []store.Entry
	for _, e := range found {
		if e.IsDir() {
			entries = append(entries, store.Entry{Name: e.Name(), Dir: true})
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		} else if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			entries = append(entries, store.Entry{Name: e.Name(), Size: info.Size()})
		}
	}
	slices.SortFunc(entries, func(a, b store.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

func (d *dirSource) Open(_ context.Context, name string) (store.Object, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &dirObject{File: f, size: info.Size()}, nil
}

type dirObject struct {
	*os.File
	size int64
}

func (o *dirObject) Size() int64 { return o.size }

func (o *dirObject) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, io.NewSectionReader(o.File, 0, o.size))
	if err == nil && n < o.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// taggedSource marks errors as those of the source.
type taggedSource struct{ Source }

type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func (s taggedSource) List(ctx context.Context, dir string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.Source.List(ctx, dir) {
			if err != nil {
				err = &sourceError{err}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (s taggedSource) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := s.Source.Open(ctx, name)
	if err != nil {
		return nil, &sourceError{fmt.Errorf("open %s of %s: %w", name, s.URL(), err)}
	}
	return o, nil
}
