package blockstore

import (
	"context"
	"slices"
	"time"
)

// Put makes a block of a record that is not in the spool, or not to be read from
// there. When it returns nil the spans are in a proven block. After an error
// they are in none, but for a crash of the disk's, or the end of ctx at that moment.
func (s *Store) Put(ctx context.Context, tenant string, record []byte) error {
	w, err := s.newWriter(tenant, levelCut, false)
	if err != nil {
		return err
	}
	defer w.discard()
	if err := w.add(record); err != nil {
		return err
	}
	made, err := w.finish(ctx, Lineage{Cut: time.Now()})
	if err != nil {
		return err
	}
	blocks, done, err := s.place(ctx, tenant, nil, made)
	if err != nil {
		return err
	}
	s.mu.Lock()
	t := s.of(tenant)
	t.blocks = append(t.blocks, blocks...)
	slices.SortFunc(t.blocks, newestFirst)
	for _, b := range blocks {
		s.counts.cut(b)
	}
	s.mu.Unlock()
	s.finish(done)
	return nil
}
