package blockstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"appliance/internal/block"
)

// stream is the traces of one block, in the order of their ids.
type stream struct {
	id   [16]byte
	data []byte // OTLP TracesData, valid until the next one; nil where only ids are read
	ids  func() ([16]byte, error, bool)
	more func() ([]byte, error, bool) // nil where only ids are read
	err  error
	stop func()
}

// next goes to the next trace; false at the end, or after an error.
func (s *stream) next() (ok bool) {
	if s.id, s.err, ok = s.ids(); !ok || s.err != nil {
		return false
	}
	if s.more != nil {
		if s.data, s.err, ok = s.more(); !ok && s.err == nil {
			s.err = fmt.Errorf("%w: fewer traces than identifiers", block.ErrDamaged)
		}
	}
	return s.err == nil
}

// split reads the traces of a plan's sources in the order of their ids. Those
// that a younger block has too are given to waiting, the others to done.
func (s *Store) split(ctx context.Context, p *plan, done, waiting *writer) error {
	sources, err := s.openAll(ctx, p.sources, true)
	defer closeAll(sources)
	if err != nil {
		return err
	}
	younger, err := s.openAll(ctx, p.younger, false)
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
		to := done
		if grows {
			to = waiting
		}
		sources, err = advance(sources, func(s *stream) (bool, error) {
			if s.id != id {
				return false, nil
			}
			return true, to.add(s.data)
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

// openAll opens blocks at their first trace. Those without any are left out.
func (s *Store) openAll(ctx context.Context, blocks []*Block, whole bool) ([]*stream, error) {
	var streams []*stream
	for _, b := range blocks {
		one, err := s.openStream(ctx, b.Dir, whole)
		if err != nil {
			return streams, fmt.Errorf("open block %s to merge it: %w", b.Meta.BlockID, err)
		}
		if one.next() {
			streams = append(streams, one)
			continue
		}
		one.stop()
		if one.err != nil {
			return streams, fmt.Errorf("read block %s to merge it: %w", b.Meta.BlockID, one.err)
		}
	}
	return streams, nil
}

func (s *Store) openStream(ctx context.Context, dir string, whole bool) (*stream, error) {
	src := s.files(dir)
	r, err := block.Open(ctx, src, block.Options{})
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	one := new(stream)
	ids, stopIDs := iter.Pull2(r.IDs(ctx))
	one.ids, one.stop = ids, func() { stopIDs(); src.Close() }
	if whole {
		more, stop := iter.Pull2(r.Traces(ctx))
		one.more, one.stop = more, func() { stop(); stopIDs(); src.Close() }
	}
	return one, nil
}
