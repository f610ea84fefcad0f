package store

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"
)

// OpenLater is Open for a process that has other work while a remote store is
// away: that is asked when it is first used, and again by each use as long as
// it does not answer. What is wrong with the URL, or a directory, is an error
// now.
func OpenLater(ctx context.Context, rawURL string, o Options) (Store, error) {
	at, err := parseURL(rawURL)
	if err != nil || at.dir != "" {
		return Open(ctx, rawURL, o)
	}
	return &lazy{url: at.s3.String(), turn: make(chan struct{}, 1), open: func(ctx context.Context) (Store, error) { return Open(ctx, rawURL, o) }}, nil
}

// lazy is a store that is opened when it is first used.
type lazy struct {
	url  string
	open func(context.Context) (Store, error)

	// held while opened is looked at: opening may take a minute, which not everybody has
	turn   chan struct{}
	opened Store
}

func (l *lazy) get(ctx context.Context) (Store, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for store %s to open: %w", l.url, ctx.Err())
	}
	if l.opened == nil {
		s, err := l.open(ctx)
		if err != nil {
			return nil, err
		}
		l.opened = s
	}
	return l.opened, nil
}

func (l *lazy) Put(ctx context.Context, name string, r io.Reader, size int64) (Sum, error) {
	s, err := l.get(ctx)
	if err != nil {
		return Sum{}, err
	}
	return s.Put(ctx, name, r, size)
}

func (l *lazy) Replace(ctx context.Context, name string, data []byte) error {
	s, err := l.get(ctx)
	if err != nil {
		return err
	}
	return s.Replace(ctx, name, data)
}

func (l *lazy) Open(ctx context.Context, name string) (Object, error) {
	s, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return s.Open(ctx, name)
}

func (l *lazy) List(ctx context.Context, dir string) iter.Seq2[Entry, error] {
	s, err := l.get(ctx)
	if err != nil {
		return func(yield func(Entry, error) bool) { yield(Entry{}, err) }
	}
	return s.List(ctx, dir)
}

func (l *lazy) Delete(ctx context.Context, name string) error {
	s, err := l.get(ctx)
	if err != nil {
		return err
	}
	return s.Delete(ctx, name)
}

func (l *lazy) Sweep(ctx context.Context, age time.Duration) (int, error) {
	s, err := l.get(ctx)
	if err != nil {
		return 0, err
	}
	return s.Sweep(ctx, age)
}

func (l *lazy) URL() string { return l.url }

func (l *lazy) Close() error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.opened == nil {
		return nil
	}
	return l.opened.Close()
}
