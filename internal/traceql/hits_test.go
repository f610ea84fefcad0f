package traceql

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHits holds the newest hits against all of them, sorted, with room for all and
// for few.
func TestHits(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n, number, only := rng.IntN(200), 1+rng.IntN(20), rng.IntN(2) == 0
		room, most, used := int64(1<<30), int64(0), int64(0)
		if rng.IntN(2) == 0 {
			room = rng.Int64N(5000)
		}
		f := hits{budget: &Budget{Hold: func(n int64) error {
			if used+n > room {
				return fmt.Errorf("%w: no room", ErrOverBudget)
			}
			used += n
			most = max(most, used)
			return nil
		}}}
		var all []hit
		for i := range n {
			h := hit{trace: i, start: uint64(rng.IntN(50)), sets: []spanset{{spans: make([]uint32, rng.IntN(100))}}}
			all = append(all, h)
			f.add(h, number, only)
		}
		f.sort()
		slices.SortFunc(all, hit.newer)

		var got []hit
		for {
			some := f.first(number)
			if len(some) == 0 {
				break
			}
			taken := f.since(some[len(some)-1].start)
			for _, h := range taken {
				f.drop(h)
			}
			got = append(got, taken...)
		}
		what := fmt.Sprintf("seed %d: %d hits, the newest %d (only: %v) in %d bytes", seed, n, number, only, room)
		for i, h := range got {
			if h.trace != all[i].trace {
				t.Fatalf("%s: place %d has trace %d, expected %d", what, i, h.trace, all[i].trace)
			}
		}
		want := n
		if only {
			want = min(n, number)
		}
		if f.short == nil && len(got) != want || n > 0 && len(got) == 0 {
			t.Errorf("%s: %d are left, expected %d", what, len(got), want)
		}
		f.done()
		if used != 0 || n > 0 && room == 1<<30 && most == 0 {
			t.Errorf("%s: %d bytes are held in the end, and %d at most", what, used, most)
		}
	}
}
