package blockstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"appliance/internal/block"
	"appliance/internal/durable"
	"appliance/internal/spool"
)

// recover carries out what is committed, removes what is not, reads which
// blocks there are, and releases the records that they have.
func (s *Store) recover(ctx context.Context) error {
	commits, err := readCommits(s.fs, s.path(commitsName))
	if err != nil {
		return err
	}
	// All outputs first: one may be a source of another commit.
	for _, c := range commits {
		if err := s.placeOutputs(c); err != nil {
			return err
		}
		s.commits.add(c)
	}
	for _, c := range commits {
		if err := s.finishCommit(c); err != nil {
			return err
		}
	}
	if err := s.clearCommits(); err != nil {
		return err
	}
	if err := s.clearStaging(); err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	return s.releaseKnown(ctx)
}

// clearCommits removes those that were being written, and so do not count.
func (s *Store) clearCommits() error {
	entries, err := s.fs.ReadDir(s.path(commitsName))
	if err != nil {
		return fmt.Errorf("list unfinished commits: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), durable.TempSuffix) {
			continue
		}
		if err := s.fs.Remove(s.path(commitsName, e.Name())); err != nil {
			return fmt.Errorf("remove an unfinished commit: %w", err)
		}
	}
	return nil
}

// clearStaging removes what was being written or deleted. Its spans are in the
// spool, or in the blocks that were to be merged.
func (s *Store) clearStaging() error {
	entries, err := s.fs.ReadDir(s.path(stagingName))
	if err != nil {
		return fmt.Errorf("list unfinished blocks: %w", err)
	}
	for _, e := range entries {
		if err := removeAll(s.fs, s.path(stagingName, e.Name())); err != nil {
			return fmt.Errorf("remove an unfinished block: %w", err)
		}
	}
	return nil
}

// load reads which blocks there are. One that cannot be read is left alone and
// named.
func (s *Store) load(ctx context.Context) error {
	tenants, err := s.fs.ReadDir(s.opt.Dir)
	if err != nil {
		return fmt.Errorf("list tenants: %w", err)
	}
	for _, t := range tenants {
		if !t.IsDir() || strings.HasPrefix(t.Name(), "@") {
			continue
		}
		ids, err := s.fs.ReadDir(s.path(t.Name()))
		if err != nil {
			return fmt.Errorf("list blocks of tenant %s: %w", t.Name(), err)
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !id.IsDir() {
				continue
			}
			dir := s.path(t.Name(), id.Name())
			b, err := loadBlock(s.fs, dir)
			if errors.Is(err, fs.ErrNotExist) && !s.wasBlock(dir) {
				continue // unfinished, or marked as deleted by whoever wrote it
			}
			if err != nil {
				s.counts.unreadable++
				s.log.Error("a block cannot be read and is left alone", "tenant", t.Name(), "block", id.Name(), "err", err)
				continue
			}
			s.of(t.Name()).blocks = append(s.of(t.Name()).blocks, b)
		}
		slices.SortFunc(s.of(t.Name()).blocks, newestFirst)
	}
	return nil
}

// wasBlock says that a directory without meta.json is a block of ours all the same,
// which nobody has marked as deleted: it had one when it got its name.
func (s *Store) wasBlock(dir string) bool {
	if _, err := s.fs.Stat(filepath.Join(dir, LineageName)); err != nil {
		return false
	}
	_, err := s.fs.Stat(filepath.Join(dir, block.CompactedMetaName))
	return errors.Is(err, fs.ErrNotExist)
}

// maxMeta is far above what a meta.json takes.
const maxMeta = 1 << 20

// releaseKnown gives up the records whose spans are in a block: a crash came
// between the two, or forgot that they were released.
func (s *Store) releaseKnown(ctx context.Context) error {
	var known []spool.Position
	ranges := s.ranges()
	for info, err := range s.opt.Spool.Pending(spool.Position{}) {
		if err != nil {
			// They are looked for again when they are read.
			s.log.Error("not all records of the spool can be looked for in the blocks", "err", err)
			s.stored = ranges
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name, ok := s.opt.Spool.SegmentName(info.Segment)
		if ok && ranges[owner{info.Tenant, name}].have(info.Offset) {
			known = append(known, info.Position)
		}
	}
	if len(known) == 0 {
		return nil
	}
	s.log.Info("records of the spool are in blocks already", "records", len(known))
	s.finish(func() error { return s.release(known) })
	return nil
}

// wasStored gives a record up that a block had at the start, and that could not be
// looked for then.
func (s *Store) wasStored(e spool.Entry) bool {
	if s.stored == nil {
		return false
	}
	name, ok := s.opt.Spool.SegmentName(e.Segment)
	if !ok || !s.stored[owner{e.Tenant, name}].have(e.Offset) {
		return false
	}
	at := []spool.Position{e.Position}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later(func() error { return s.release(at) })
	return true
}

// owner names the records of a tenant in one segment of the spool.
type owner struct{ tenant, segment string }

// stretches are ranges of one owner.
type stretches []Range

func (r stretches) have(offset int64) bool {
	return slices.ContainsFunc(r, func(r Range) bool { return r.First <= offset && offset <= r.Last })
}

// ranges are the records that are in blocks.
func (s *Store) ranges() map[owner]stretches {
	all := map[owner]stretches{}
	for name, t := range s.tenants {
		for _, b := range t.blocks {
			if b.Lineage == nil {
				continue
			}
			for _, r := range b.Lineage.Ranges {
				o := owner{name, r.Segment}
				all[o] = append(all[o], r)
			}
		}
	}
	return all
}
