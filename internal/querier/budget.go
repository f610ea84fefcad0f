package querier

import (
	"fmt"
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
