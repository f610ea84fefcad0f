package traceql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func mustParse(t *testing.T, text string) *Query {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

// TestHostileQueries asks what ends a Tempo, or takes it long.
func TestHostileQueries(t *testing.T) {
	for _, text := range []string{
		`{ 9223372036854775807 ^ 1 = 1 }`,
		`{ span.level ^ 9223372036854775807 > 0 }`,
		`{ 9223372036854775807 ^ span.level > 0 }`,
		`{ span.level / 0 = 1 }`,
		`{ span.level % 0 = 1 }`,
		`{ 1 / (span.level - span.level) = 1 }`,
		`{ -9223372036854775807 / span.level < 0 || span.level % -1 = 0 }`,
		`{ ` + strings.Repeat("(", 900) + `span.level = 2` + strings.Repeat(")", 900) + ` }`,
		`{ ` + strings.Repeat("!", 900) + `(span.level = 2) }`,
		`{ ` + strings.Repeat("span.level = 2 || ", 1200) + `name = "R" }`,
		`{ name =~ "(a*)*(a*)*(a*)*(a*)*b" }`,
		`{ name =~ "(((((.{0,20}){0,5}x)?){0,4}))*$" }`,
		`{ } >> { } >> { } >> { } >> { }`,
		`{ } | by(span:id) | by(trace:id) | by(duration) | count() > 0`,
	} {
		q, err := Parse(text)
		if err != nil {
			if len(text) > 80 || strings.Contains(text, "=~") {
				continue // refused: that is bounded too
			}
			t.Errorf("%s: %v", text, err)
			continue
		}
		s, err := NewSearch(q, SearchOptions{Limit: 1 << 32, SpansPerSet: 100})
		if err != nil {
			t.Errorf("%.60s: %v", text, err)
			continue
		}
		start := time.Now()
		if err := s.Add(context.Background(), conformanceBatch()); err != nil {
			t.Errorf("%.60s: %v", text, err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%.60s: took %v", text, took)
		}
	}
}

func TestDivisionByZeroMatchesNothing(t *testing.T) {
	for _, text := range []string{
		`{ span.level / 0 != 1 || span.level % 0 != 1 }`,
		`{ span.nowhere = 1 / (1 - 1) }`,
		`{ span.level != 1 / (1 - 1) }`,
		`{ 1 % (1 - 1) != span.level }`,
		`{ span.t.false = 1 / (1 - 1) + 1 }`, // what cannot be computed is not false
		`{ span.t.false = -(1 / (1 - 1)) }`,
		`{ (span.nowhere = 1 / (1 - 1)) = true }`,
	} {
		if found := searchRecord(t, text, 10); len(found) != 0 {
			t.Errorf("%s: found %d traces", text, len(found))
		}
	}
}

func TestCancelledQueryReturns(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, text := range []string{`{ name =~ "x.*" }`, `{ span.level + 1 = 2 }`, `{ } | by(span:id)`} {
		s, err := NewSearch(mustParse(t, text), SearchOptions{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(ctx, conformanceBatch()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want it cancelled", text, err)
		}
	}
}

func TestDeadlineMakesAnswerPartial(t *testing.T) {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	defer cancel()
	m, err := NewMetrics(mustParse(t, `{ } | rate() by (span:id)`), MetricsOptions{Start: 1, End: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(ctx, conformanceBatch()); err != nil {
		t.Fatal(err)
	}
	if _, partial := m.Series(); !strings.Contains(string(partial), "time") {
		t.Errorf("partial: %q", partial)
	}
}

// TestBudgets has an answer that is partial and says why, for each bound.
func TestBudgets(t *testing.T) {
	const start, end, minute = 1795878000e9, 1795885200e9, 60e9
	for _, c := range []struct {
		query string
		b     *Budget
		why   string
		most  int
		step  uint64
	}{
		{`{ } | rate() by (span:id)`, &Budget{Series: 100}, "100 series", 100, minute},
		{`{ } | count_over_time() by (trace:id, span:id, duration)`, &Budget{Series: 7}, "7 series", 7, minute},
		{`{ } | rate() by (span:id)`, &Budget{Series: 1 << 30, Steps: 1 << 20}, "values", 46_332, minute / 100},
		{`{ } | compare({ status = error }, 2000)`, &Budget{Values: 50}, "50 values", 10_000, minute},
	} {
		m, err := NewMetrics(mustParse(t, c.query), MetricsOptions{Start: start, End: end, Step: c.step, Budget: c.b})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Add(context.Background(), conformanceBatch()); err != nil {
			t.Fatal(err)
		}
		series, partial := m.Series()
		if !strings.Contains(string(partial), c.why) || len(series) == 0 || len(series) > c.most {
			t.Errorf("%s: %d series, partial %q, want %q", c.query, len(series), partial, c.why)
		}
	}
	_, err := NewMetrics(mustParse(t, `{ } | rate()`), MetricsOptions{Start: start, End: end, Step: 1})
	if err == nil || !strings.Contains(err.Error(), "longer step") {
		t.Errorf("a step of 1 ns: %v", err)
	}
}

func TestBytesOverBudget(t *testing.T) {
	b := &Budget{Bytes: 100}
	if err := b.Read(100); err != nil {
		t.Error(err)
	}
	if err := b.Read(1); !errors.Is(err, ErrOverBudget) {
		t.Errorf("101 of 100 bytes: %v", err)
	}
}

// keysBatch is a batch with spans of many attributes.
type keysBatch struct {
	Batch
	keys int
}

func (b keysBatch) Keys(_ context.Context, yield func(Field) bool) error {
	for i := range b.keys {
		if !yield(Field{Scope: ScopeSpan, Name: fmt.Sprintf("%01000d", i)}) {
			break
		}
	}
	return nil
}

// TestQuantilesHaveABound has each quantile counted with the values of a function,
// since each makes a series.
func TestQuantilesHaveABound(t *testing.T) {
	many := strings.Repeat(", .5", MaxQuantiles)
	if _, err := Parse(`{ } | quantile_over_time(duration` + many + `, .9)`); err == nil ||
		!strings.Contains(err.Error(), "more than 20 quantiles") {
		t.Errorf("%d quantiles: %v", MaxQuantiles+1, err)
	}
	held := int64(0)
	m, err := NewMetrics(mustParse(t, `{ } | quantile_over_time(span.level`+many+`)`), MetricsOptions{
		Start: 1795878000e9, End: 1795885200e9, Step: 10e9,
		Budget: &Budget{Hold: func(n int64) error { held += n; return nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(context.Background(), conformanceBatch()); err != nil {
		t.Fatal(err)
	}
	if least := int64(cellBytes * MaxQuantiles * m.steps.n); held < least {
		t.Errorf("%d bytes are held, the quantiles alone take %d", held, least)
	}
}

// TestTagNamesOverBudget keeps as many names as there is memory for, and says so.
func TestTagNamesOverBudget(t *testing.T) {
	names, err := NewTagNames(nil, ScopeNone, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []Batch{conformanceBatch(), keysBatch{conformanceBatch(), 30_000}, conformanceBatch()} {
		if err := names.Add(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	found, partial := names.Names()
	size := 0
	for _, name := range found[ScopeSpan] {
		size += len(name)
	}
	if size > maxTagBytes || size < maxTagBytes/2 || !strings.Contains(string(partial), "bytes") {
		t.Errorf("%d bytes of names are found, partial %q", size, partial)
	}
	if len(found[ScopeResource]) == 0 {
		t.Error("no name of a resource is found")
	}
}

// TestNamesHaveWeight has a query whose own text is in each trace that it finds.
func TestNamesHaveWeight(t *testing.T) {
	const long = 100_000
	found := searchRecord(t, `{ } | by(span."`+strings.Repeat("a", long)+`")`, 5)
	for _, f := range found {
		if f.weight() < long {
			t.Errorf("a trace with a name of %d bytes weighs %d", long, f.weight())
		}
	}
	if len(found) == 0 {
		t.Error("no trace is found")
	}
}

// TestSearchWithoutRoom keeps the newest traces, as many as there is room for, and
// gives back the room of those that it leaves out.
func TestSearchWithoutRoom(t *testing.T) {
	search := func(b *Budget) ([]*FoundTrace, Partial) {
		s, err := NewSearch(mustParse(t, `{ } | select(name, resource.service.name)`), SearchOptions{Limit: 10_000, Budget: b})
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range conformanceParts() {
			if err := s.Add(context.Background(), part); err != nil {
				t.Fatal(err)
			}
		}
		return s.Found()
	}
	all, partial := search(nil)
	if partial != "" || len(all) < 100 {
		t.Fatalf("%d traces are found, partial %q", len(all), partial)
	}
	for _, room := range []int64{1, 50_000, 500_000} {
		held := int64(0)
		found, partial := search(&Budget{Hold: func(n int64) error {
			if held+n > room {
				return fmt.Errorf("%w: no room", ErrOverBudget)
			}
			held += n
			return nil
		}})
		if !strings.Contains(string(partial), "no room") || len(found) == 0 || len(found) >= len(all) {
			t.Errorf("room for %d bytes: %d of %d traces, partial %q", room, len(found), len(all), partial)
		}
		kept := int64(0)
		for i, f := range found {
			kept += f.held
			if f.ID != all[i].ID {
				t.Fatalf("room for %d bytes: trace %d is not the newest but %d", room, i, i)
			}
		}
		if kept != held {
			t.Errorf("room for %d bytes: %d are held, the traces take %d", room, held, kept)
		}
	}
}
