package forwarder

import "context"

// large is the right to have a record in memory in order to send it that is
// larger than a request should be; one has it at a time. Who takes it has no slot
// of a lane yet: else all slots could be of those who wait for it, and its holder
// wait for a slot.
type large chan struct{}

func newLarge() large { return make(large, 1) }

func (l large) take(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l large) give() { <-l }

// try takes it if it is free.
func (l large) try() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}
