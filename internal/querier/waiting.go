package querier

import (
	"context"

	"appliance/internal/lowprio"
)

// waitingSource is files that may be far away: who waits for them has given up its
// turn. Nobody may hold a lock meanwhile for which others wait in their turn.
type waitingSource struct {
	Source
	low *lowprio.Threads
}

// ReadAt implements block.Source.
func (s waitingSource) ReadAt(ctx context.Context, name string, p []byte, off int64) (n int, err error) {
	s.low.Wait(func() { n, err = s.Source.ReadAt(ctx, name, p, off) })
	return n, err
}

// Size implements block.Source.
func (s waitingSource) Size(ctx context.Context, name string) (n int64, err error) {
	s.low.Wait(func() { n, err = s.Source.Size(ctx, name) })
	return n, err
}

// waitingLock is a lock that may be held while its owner waits for files, and for
// its turn after that. Others wait for it out of their turn.
type waitingLock chan struct{}

func newWaitingLock() waitingLock { return make(waitingLock, 1) }

// lock waits for the lock. The error is that of ctx.
func (l waitingLock) lock(ctx context.Context, low *lowprio.Threads) (err error) {
	select {
	case l <- struct{}{}:
		return nil
	default:
	}
	low.Wait(func() {
		select {
		case l <- struct{}{}:
		case <-ctx.Done():
			err = ctx.Err()
		}
	})
	return err
}

func (l waitingLock) unlock() { <-l }
