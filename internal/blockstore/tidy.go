package blockstore

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// tidy does what Views have held back. What fails is tried again.
func (s *Store) tidy(ctx context.Context) {
	var (
		failed []func() error
		again  <-chan time.Time
		wait   = failedPause
	)
	for {
		s.mu.Lock()
		todo := s.chores
		s.chores = nil
		s.mu.Unlock()
		failed = append(failed, s.do(todo)...)
		if again == nil && len(failed) > 0 {
			again = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.chore:
		case <-again:
			again = nil
			wait = min(2*wait, maxPause)
			if failed = s.do(failed); len(failed) == 0 {
				wait = failedPause
			}
		}
	}
}

// do returns what failed.
func (s *Store) do(chores []func() error) (failed []func() error) {
	var first error
	for _, chore := range chores {
		if err := chore(); err != nil {
			failed = append(failed, chore)
			first = cmp.Or(first, err)
		}
	}
	if first != nil {
		s.trouble(first)
		s.log.Error("files or records that are in blocks cannot be given up; trying again", "chores", len(failed), "err", first)
	}
	return failed
}

// later has something done by the store's own goroutine. s.mu is held.
func (s *Store) later(chore func() error) {
	s.chores = append(s.chores, chore)
	select {
	case s.chore <- struct{}{}:
	default:
	}
}

// clear removes what is left in staging of a block, now, or later where that fails.
// abort is called before, if it is not nil.
func (s *Store) clear(dir string, abort func() error) {
	var err error
	if abort != nil {
		err = abort()
	}
	if err = errors.Join(err, removeAll(s.fs, dir)); err != nil {
		s.log.Warn("leftovers of a block cannot be removed; trying again", "dir", dir, "err", err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.later(func() error { return removeAll(s.fs, dir) })
	}
}

// finish carries out the rest of a commit now, or later where that fails.
func (s *Store) finish(rest func() error) {
	if len(s.do([]func() error{rest})) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later(rest)
}
