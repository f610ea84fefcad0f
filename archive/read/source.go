package read

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/internal/querier"
)

// Source implements querier.Archive.
func (r *Reader) Source(tenant string, b *querier.ArchivedBlock) querier.Source {
	// Objects live as long as the source, which serves several questions.
	ctx, stop := context.WithCancel(context.Background())
	return &source{
		store: r.store, tenant: tenant, block: b.ID.String(), remote: !strings.HasPrefix(r.store.URL(), "file:"),
		ctx: ctx, stop: stop, objects: map[string]store.Object{},
	}
}

// source is a block's files. It opens each once, for a remote store would make
// a request of each opening.
type source struct {
	store         store.Store
	tenant, block string
	remote        bool
	ctx           context.Context
	stop          context.CancelFunc

	mu      sync.Mutex
	objects map[string]store.Object
}

// ReadAt implements block.Source.
func (s *source) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if !s.remote {
		o, err := s.object(name)
		if err != nil {
			return 0, err
		}
		return o.ReadAt(p, off)
	}
	buf := make([]byte, len(p)) // who has left must not find p written to
	n, err := s.wait(ctx, func() (int64, error) {
		o, err := s.object(name)
		if err != nil {
			return 0, err
		}
		n, err := o.ReadAt(buf, off)
		return int64(n), err
	})
	return copy(p, buf[:n]), err
}

// Size implements block.Source.
func (s *source) Size(ctx context.Context, name string) (int64, error) {
	size := func() (int64, error) {
		o, err := s.object(name)
		if err != nil {
			return 0, err
		}
		return o.Size(), nil
	}
	if !s.remote {
		return size()
	}
	return s.wait(ctx, size)
}

// wait returns what do does, or the error of ctx once that has ended.
func (s *source) wait(ctx context.Context, do func() (int64, error)) (int64, error) {
	type result struct {
		n   int64
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := do()
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *source) object(name string) (store.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.objects[name]; ok {
		return o, nil
	}
	o, err := s.store.Open(s.ctx, archive.ObjectName(s.tenant, s.block, name))
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, err
	}
	s.objects[name] = o
	return o, nil
}

// Close implements querier.Source.
func (s *source) Close() error {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, o := range s.objects {
		errs = append(errs, o.Close())
	}
	clear(s.objects)
	return errors.Join(errs...)
}
