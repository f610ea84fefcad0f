package querier

import (
	"fmt"
	"sync"
	"sync/atomic"

	"appliance/internal/traceql"
)

// budget is what one query may read and hold.
type budget struct {
	traceql.Budget
	memory int64
	held   atomic.Int64
}

// hold takes memory from the budget until release.
func (b *budget) hold(n int64) error {
	if b.held.Add(n) > b.memory {
		b.held.Add(-n)
		return fmt.Errorf("%w: it needs more than %d bytes of memory", traceql.ErrOverBudget, b.memory)
	}
	return nil
}

func (b *budget) release(n int64) { b.held.Add(-n) }

// answers is the memory for what queries have found, all together, until it is
// written. A query may hold as much as is left then: one alone gets half, and
// many that want all leave something to those that want little.
type answers struct {
	mu   sync.Mutex
	left int64
}

// share is what one query has of it.
type share struct {
	of   *answers
	held int64 // guarded by the lock of answers
}

// hold takes memory until the share is released; negative gives back.
func (s *share) hold(n int64) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if n > 0 && s.held+n > s.of.left-n {
		return fmt.Errorf("%w: what it finds takes more than %d bytes of memory", traceql.ErrOverBudget, s.held)
	}
	s.held += n
	s.of.left -= n
	return nil
}

// release gives all back. It may be called again.
func (s *share) release() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.left += s.held
	s.held = 0
}
