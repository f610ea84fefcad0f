package blockstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"appliance/internal/durable"
)

// place puts proven blocks where they are read, instead of those that they were
// made of: after a crash all of it has happened, or nothing. The sources are
// still there when it returns; the returned function removes them.
//
// An error means that nothing has happened, and that nothing will at the next
// start; or, after the end of ctx, that the next start knows which of the two it
// is. What it needs for that is not discarded.
func (s *Store) place(ctx context.Context, tenant string, sources []*Block, made []*proven) ([]*Block, func() error, error) {
	if err := durable.MkdirAll(s.fs, s.path(tenant), dirMode); err != nil {
		// A sync that failed is not to be believed later: next time it is made, if
		// it has nothing yet.
		_ = s.fs.Remove(s.path(tenant))
		return nil, nil, fmt.Errorf("make the directory of tenant %s: %w", tenant, err)
	}
	c := &commit{Tenant: tenant, path: s.path(commitsName, made[0].meta.BlockID+commitSuffix)}
	for _, b := range sources {
		c.Sources = append(c.Sources, b.Meta.BlockID)
	}
	var blocks []*Block
	for _, m := range made {
		id := m.meta.BlockID
		c.Outputs = append(c.Outputs, id)
		blocks = append(blocks, &Block{Meta: *m.meta, Dir: s.path(tenant, id), Lineage: &m.lineage, had: time.Now()})
	}
	if err := c.save(s.fs); err != nil {
		// It may be on the disk nevertheless. Until it is not, the blocks must
		// not be made again.
		_ = s.fs.Remove(c.path + durable.TempSuffix) // the next start removes it, too
		withdrawn := s.insist(ctx, "withdraw a merge", func() error { return durable.Remove(s.fs, c.path) })
		if withdrawn != nil {
			s.commits.leave(c)
		}
		return nil, nil, errors.Join(err, withdrawn)
	}
	s.commits.add(c)
	if err := s.insist(ctx, "place blocks", func() error { return s.placeOutputs(c) }); err != nil {
		s.commits.leave(c)
		return nil, nil, err
	}
	return blocks, func() error { return s.finishCommit(c) }, nil
}

// insist tries until it succeeds, and returns an error only when ctx is done:
// then the process ends, and the next one finds what is on the disk.
func (s *Store) insist(ctx context.Context, what string, do func() error) error {
	wait := failedPause
	for {
		err := do()
		if err == nil {
			return nil
		}
		s.trouble(err)
		s.log.Error("cannot go on before the disk takes it; trying again", "step", what, "err", err)
		if !pause(ctx, wait) {
			return fmt.Errorf("%s: %w", what, err)
		}
		wait = min(2*wait, maxPause)
	}
}

// placeOutputs moves the outputs of a commit out of staging. Some may have been
// moved before.
func (s *Store) placeOutputs(c *commit) error {
	if err := durable.MkdirAll(s.fs, s.path(c.Tenant), dirMode); err != nil {
		return err
	}
	for _, id := range c.Outputs {
		from, to := s.path(stagingName, id, c.Tenant, id), s.path(c.Tenant, id)
		switch err := s.placeOutput(from, to); {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("place block %s of the commit %s: it is neither %s nor %s; put it back to where it was taken from: %w", id, c.path, to, from, err)
		case err != nil:
			return fmt.Errorf("place block %s: %w", id, err)
		}
	}
	return nil
}

// placeOutput gives a block its name. Where it has that already, the sync of the
// name may have failed, and one that succeeds after that says nothing. So the
// block goes back and gets its name again.
func (s *Store) placeOutput(from, to string) error {
	err := durable.Rename(s.fs, from, to)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := s.fs.ReadDir(to); err != nil {
		return err
	}
	if err := durable.MkdirAll(s.fs, filepath.Dir(from), dirMode); err != nil {
		return err
	}
	if err := s.fs.Rename(to, from); err != nil {
		return err
	}
	return durable.Rename(s.fs, from, to)
}

// finishCommit removes the sources of a commit, and then itself. Some may be
// gone. After an error it may be called again.
func (s *Store) finishCommit(c *commit) error {
	for _, id := range c.Sources {
		if err := s.remove(s.path(c.Tenant, id), id); err != nil {
			return err
		}
	}
	return s.commits.remove(s.fs, c)
}
