package blockstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"appliance/internal/block"
)

// stream is the traces of one block, in the order of their ids.
type stream struct {
	block *Block
	id    [16]byte
	ids   func() ([16]byte, error, bool) // nil where whole traces are read
	whole *block.MergeSource
	stop  func()
}

// next goes to the next trace; false at the end.
func (s *stream) next() (ok bool, err error) {
	if s.ids != nil {
		s.id, err, ok = s.ids()
		return ok && err == nil, err
	}
	if ok, err = s.whole.Next(); ok {
		s.id = *s.whole.ID()
	}
	return ok, err
}

// split takes the traces of a plan's sources in the order of their ids. Those
// that a younger block has too are given to waiting, unless they have waited for
// long, and the others to done.
func (s *Store) split(ctx context.Context, p *plan, done, waiting *output) error {
	sources, err := s.openAll(ctx, p.sources, true)
	defer func() { closeAll(sources) }()
	if err != nil {
		return err
	}
	younger, err := s.openAll(ctx, p.younger, false)
	defer func() { closeAll(younger) }()
	if err != nil {
		return err
	}
	var same []*block.MergeSource
	for len(sources) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		id := sources[0].id
		for _, s := range sources[1:] {
			if bytes.Compare(s.id[:], id[:]) < 0 {
				id = s.id
			}
		}
		if younger, err = pass(younger, func(s *stream) bool { return bytes.Compare(s.id[:], id[:]) < 0 }); err != nil {
			return err
		}
		to := done
		if slices.ContainsFunc(younger, func(s *stream) bool { return s.id == id }) {
			to = waiting
		}
		same = same[:0]
		for _, s := range sources {
			if s.id != id {
				continue
			}
			same = append(same, s.whole)
			if p.isLate(s.block) {
				to = done
			}
		}
		if err := to.add(same...); err != nil {
			return err
		}
		if sources, err = pass(sources, func(s *stream) bool { return s.id == id }); err != nil {
			return err
		}
	}
	return nil
}

// pass goes on in each stream as long as over says so, and returns those that
// have not ended.
func pass(streams []*stream, over func(*stream) bool) ([]*stream, error) {
	ended := false
	for _, s := range streams {
		for over(s) {
			more, err := s.next()
			if err != nil {
				return streams, err
			}
			if !more {
				s.stop()
				s.stop = nil
				ended = true
				break
			}
		}
	}
	if ended {
		streams = slices.DeleteFunc(streams, func(s *stream) bool { return s.stop == nil })
	}
	return streams, nil
}

func closeAll(streams []*stream) {
	for _, s := range streams {
		if s.stop != nil {
			s.stop()
		}
	}
}

// openAll opens blocks at their first trace. Those without any are left out.
func (s *Store) openAll(ctx context.Context, blocks []*Block, whole bool) ([]*stream, error) {
	var streams []*stream
	for _, b := range blocks {
		one, err := s.openStream(ctx, b, whole)
		if err != nil {
			return streams, fmt.Errorf("open block %s to merge it: %w", b.Meta.BlockID, err)
		}
		more, err := one.next()
		if err == nil && more {
			streams = append(streams, one)
			continue
		}
		one.stop()
		if err != nil {
			return streams, fmt.Errorf("read block %s to merge it: %w", b.Meta.BlockID, err)
		}
	}
	return streams, nil
}

func (s *Store) openStream(ctx context.Context, b *Block, whole bool) (*stream, error) {
	src := s.files(b.Dir)
	r, err := block.Open(ctx, src, block.Options{})
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	if !whole {
		ids, stop := iter.Pull2(r.IDs(ctx))
		return &stream{block: b, ids: ids, stop: func() { stop(); src.Close() }}, nil
	}
	m, err := block.NewMergeSource(ctx, r)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return &stream{block: b, whole: m, stop: func() { src.Close() }}, nil
}
