package archive

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// oldestFirst are the archived blocks by the end of their last span.
func oldestFirst(b *bench) []Block {
	blocks := b.list(Filter{})
	slices.SortStableFunc(blocks, func(x, y Block) int { return x.End.Compare(y.End) })
	return blocks
}

func ids(blocks []Block) (out []string) {
	for _, b := range blocks {
		out = append(out, b.ID)
	}
	return out
}

// TestPruneByBytes takes the oldest, until what is left fits.
func TestPruneByBytes(t *testing.T) {
	t.Parallel()
	b := archived(t)
	all := oldestFirst(b)
	var total int64
	for _, x := range all {
		total += x.Bytes
	}
	plan := func(keep Keep) *PrunePlan {
		t.Helper()
		a := Open(b.store)
		a.now = func() time.Time { return theTime }
		p, err := a.PlanPrune(t.Context(), keep, nil)
		must(t, err)
		if p.Left+p.Bytes != total {
			t.Errorf("%d bytes are planned and %d left, of %d", p.Bytes, p.Left, total)
		}
		return p
	}
	for n := range all {
		// One byte less than what is left without the n oldest asks for one more.
		left := total
		for _, x := range all[:n] {
			left -= x.Bytes
		}
		if got := ids(plan(Keep{Bytes: left}).Blocks); !slices.Equal(got, ids(all[:n])) {
			t.Errorf("%d bytes are kept: %v are planned, not the %d oldest", left, got, n)
		}
		if got := ids(plan(Keep{Bytes: left - 1}).Blocks); !slices.Equal(got, ids(all[:n+1])) {
			t.Errorf("%d bytes are kept: %v are planned, not the %d oldest", left-1, got, n+1)
		}
	}
	if got := plan(Keep{Age: 10 * 365 * 24 * time.Hour, Bytes: total}); len(got.Blocks) != 0 {
		t.Errorf("what fits and is young is planned: %v", ids(got.Blocks))
	}
	if got := plan(Keep{Age: time.Hour, Bytes: total}); len(got.Blocks) != len(all) {
		t.Errorf("of what is old %v are planned", ids(got.Blocks))
	}
	// A block that is pinned stays, and the next one goes in its place.
	_, err := Open(b.store).Pin(t.Context(), all[0].ID)
	must(t, err)
	p := plan(Keep{Bytes: total - 1})
	if !slices.Equal(ids(p.Blocks), []string{all[1].ID}) || len(p.Kept) != 1 || p.Kept[0].ID != all[0].ID {
		t.Errorf("the oldest is pinned: %v are planned, %+v kept", ids(p.Blocks), p.Kept)
	}
	if p = plan(Keep{Bytes: 1}); len(p.Blocks) != len(all)-1 {
		t.Errorf("nearly nothing is kept: %v are planned", ids(p.Blocks))
	}
	if _, err := Open(b.store).PlanPrune(t.Context(), Keep{}, nil); err == nil {
		t.Error("a plan that keeps nothing in particular is made")
	}
}

// TestPruneByBytesIsInterrupted at every step: the next one ends with what fits,
// and never takes more than it has to.
func TestPruneByBytesIsInterrupted(t *testing.T) {
	t.Parallel()
	interrupted := errors.New("interrupted")
	for at := 1; ; at++ {
		b := archived(t)
		all := oldestFirst(b)
		keep := Keep{Bytes: all[len(all)-1].Bytes}
		steps := 0
		s := &faultyStore{b.store, func(op, _ string) error {
			if op == "open" || op == "list" || strings.HasSuffix(op, "replace") {
				return nil
			}
			if steps++; steps == at {
				return interrupted
			}
			return nil
		}}
		_, err := NewPruner(s, nil, keep).pruneAt(t, theTime)
		if err == nil {
			if at < 10 {
				t.Fatalf("a prune has only %d steps", at)
			}
			return
		}
		if !errors.Is(err, interrupted) {
			t.Fatal(err)
		}
		_, err = NewPruner(b.store, nil, keep).pruneAt(t, theTime)
		must(t, err)
		if got := ids(b.list(Filter{State: StateArchived})); !slices.Equal(got, []string{all[len(all)-1].ID}) {
			t.Fatalf("interrupted at step %d: %v are left", at, got)
		}
		if inv := Open(b.store); !b.nothingHalf(t, inv) {
			t.Fatalf("interrupted at step %d: halves are left", at)
		}
	}
}

func (p *Pruner) pruneAt(t *testing.T, now time.Time) (int, error) {
	t.Helper()
	p.archive.now = func() time.Time { return now }
	n, _, err := p.Prune(t.Context())
	return n, err
}

func (b *bench) nothingHalf(t *testing.T, a *Archive) bool {
	t.Helper()
	s, err := a.Stats(t.Context())
	must(t, err)
	return s.Missing+s.Incomplete+s.Damaged == 0
}

// TestBytesNeedNoClock prunes by bytes while the clock is in doubt, and not by age.
func TestBytesNeedNoClock(t *testing.T) {
	t.Parallel()
	b := archived(t)
	all := oldestFirst(b)
	p := NewPruner(b.store, nil, Keep{Age: time.Hour, Bytes: all[1].Bytes + all[2].Bytes})
	// a year after the last block was archived
	p.archive.now = func() time.Time { return theTime.AddDate(1, 0, 0) }
	n, doubt, err := p.Prune(t.Context())
	must(t, err)
	if n != 1 || doubt == "" {
		t.Errorf("pruned %d, in doubt %q", n, doubt)
	}
}
