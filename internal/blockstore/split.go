package blockstore

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"appliance/internal/block"
)

// stream is the traces of one block, in the order of their ids.
type stream struct {
	id   [16]byte
	data []byte // OTLP TracesData, valid until the next one; nil where only ids are read
	next func() bool
	err  error
	stop func()
}

// split reads the traces of a plan's sources in the order of their ids. Those
// that a younger block has too are given to waiting, the others to done.
func split(ctx context.Context, p *plan, done, waiting func([]byte) error) error {
	sources, err := openAll(ctx, p.sources, traces)
	defer closeAll(sources)
	if err != nil {
		return err
	}
	younger, err := openAll(ctx, p.younger, ids)
	defer closeAll(younger)
	if err != nil {
		return err
	}
	for len(sources) > 0 {
		id := sources[0].id
		for _, s := range sources[1:] {
			if bytes.Compare(s.id[:], id[:]) < 0 {
				id = s.id
			}
		}
		grows := false
		younger, err = advance(younger, func(s *stream) (next bool, err error) {
			switch c := bytes.Compare(s.id[:], id[:]); {
			case c < 0:
				return true, nil
			case c == 0:
				grows = true
			}
			return false, nil
		})
		if err != nil {
			return err
		}
		add := done
		if grows {
			add = waiting
		}
		sources, err = advance(sources, func(s *stream) (bool, error) {
			if s.id != id {
				return false, nil
			}
			return true, add(s.data)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// advance asks of each stream, again and again, whether it is to go to its
// next trace, and returns those that have not ended.
func advance(streams []*stream, step func(*stream) (bool, error)) ([]*stream, error) {
	left := streams[:0]
	for i, s := range streams {
		for {
			next, err := step(s)
			if err != nil {
				return append(left, streams[i:]...), err
			}
			if !next {
				left = append(left, s)
				break
			}
			if !s.next() {
				s.stop()
				if s.err != nil {
					return append(left, streams[i+1:]...), s.err
				}
				break
			}
		}
	}
	return left, nil
}

func closeAll(streams []*stream) {
	for _, s := range streams {
		s.stop()
	}
}

func openAll(ctx context.Context, blocks []*Block, open func(context.Context, *block.Block, *stream) func()) ([]*stream, error) {
	var streams []*stream
	for _, b := range blocks {
		r, err := block.Open(ctx, block.Dir(b.Dir))
		if err != nil {
			return streams, fmt.Errorf("open block %s to merge it: %w", b.Meta.BlockID, err)
		}
		s := new(stream)
		s.stop = open(ctx, r, s)
		if s.next() {
			streams = append(streams, s)
			continue
		}
		s.stop()
		if s.err != nil {
			return streams, fmt.Errorf("read block %s to merge it: %w", b.Meta.BlockID, s.err)
		}
	}
	return streams, nil
}

func traces(ctx context.Context, r *block.Block, s *stream) func() {
	next, stop := iter.Pull2(r.Traces(ctx))
	s.next = func() bool {
		t, err, ok := next()
		s.id, s.data, s.err = t.ID, t.Data, err
		return ok && err == nil
	}
	return stop
}

func ids(ctx context.Context, r *block.Block, s *stream) func() {
	next, stop := iter.Pull2(r.IDs(ctx))
	s.next = func() bool {
		id, err, ok := next()
		s.id, s.err = id, err
		return ok && err == nil
	}
	return stop
}
