package querier

import (
	"errors"
	"testing"

	"appliance/internal/traceql"
)

// TestShares has queries that want all that they can get, and one that wants little.
func TestShares(t *testing.T) {
	const all = 96 << 20
	of := &answers{left: all}
	var greedy []*share
	for range 8 {
		s := &share{of: of}
		greedy = append(greedy, s)
		for s.hold(1<<10) == nil {
		}
	}
	if first := greedy[0].held; first > all/2 || first < all/2-1<<20 {
		t.Errorf("the first query holds %d of %d bytes", first, all)
	}
	small := &share{of: of}
	if err := small.hold(100 << 10); err != nil {
		t.Errorf("there is nothing left for a query that wants little: %v", err)
	}
	if err := greedy[7].hold(all); !errors.Is(err, traceql.ErrOverBudget) {
		t.Errorf("all is taken again: %v", err)
	}
	for _, s := range append(greedy, small) {
		s.release()
		s.release()
	}
	if of.left != all {
		t.Errorf("%d bytes are left of %d", of.left, all)
	}
}
