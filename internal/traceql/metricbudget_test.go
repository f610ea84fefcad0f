package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"appliance/internal/traceql/querytest"
)

// TestKeptSeriesAreRight computes metrics within a budget: each series of the answer
// is that of an answer without one, and where series lack the answer says so.
func TestKeptSeriesAreRight(t *testing.T) {
	partial := map[string]int{}
	for seed := uint64(0); seed < 1000; seed++ {
		if fn := keptSeriesAreRight(t, seed); fn != "" {
			partial[fn]++
		}
	}
	for _, fn := range budgetedMetrics {
		if partial[fn] == 0 {
			t.Errorf("%s: no answer with a part of the series", fn)
		}
	}
}

var budgetedMetrics = []string{
	"rate()", "count_over_time()", "sum_over_time(@)", "avg_over_time(@)", "min_over_time(@)", "max_over_time(@)",
	"quantile_over_time(@, 0, .5, .9)", "histogram_over_time(@)", "compare({ status = error }, 100000)", "A / B",
}

// TestTextsOfSeriesAreHeld has series whose labels are long. A value is kept, and each
// series has it in its labels, in the text to sort by, and in the answer.
func TestTextsOfSeriesAreHeld(t *testing.T) {
	const long, groups = 30_000, 20
	var spans []*plainSpan
	for i := range groups {
		s := &plainSpan{trace: [16]byte{1, 1}, id: byte(i + 1), start: 1e9, end: 2e9, attrs: plainAttrs{
			"a": {StringValue(fmt.Sprintf("%0*d", long, i))}, "b": {IntValue(4)},
		}}
		spans = append(spans, s)
	}
	complete(spans)
	for text, copies := range map[string]int64{
		"rate() by (span.a)": 4, "histogram_over_time(span.b) by (span.a)": 7,
		"quantile_over_time(span.b, .1, .2, .3) by (span.a)": 13, "compare({ kind = server })": 4,
	} {
		held, room := int64(0), int64(1<<40)
		budget := &Budget{Hold: func(n int64) error {
			if held+n > room {
				return fmt.Errorf("%w: no room", ErrOverBudget)
			}
			held += n
			return nil
		}}
		q := mustParse(t, "{ } | "+text)
		metricLines(t, q, budget, []Batch{batchOf(t, [][]*plainSpan{spans})})
		if least := copies * long * groups; held < least || held > least*3/2 {
			t.Errorf("%s: %d bytes are held, texts take %d", text, held, least)
		}
		room, held = held/2, 0
		kept, why := metricLines(t, q, budget, []Batch{batchOf(t, [][]*plainSpan{spans})})
		if len(kept) == 0 || why == "" {
			t.Errorf("%s: %d series in half of the room, partial %q", text, len(kept), why)
		}
	}
	// What there is no room for is not kept either.
	g := newGrouper([]*Attribute{{Scope: ScopeSpan, Name: "a"}}, &Budget{Series: 3})
	groupsOf := g.in(newEvaluation(context.Background(), batchOf(t, [][]*plainSpan{spans})))
	for i := range groups {
		groupsOf.group(i)
	}
	if len(g.values[0]) != 3 {
		t.Errorf("%d values are kept for 3 series", len(g.values[0]))
	}
}

// keptSeriesAreRight returns the function if its answer has series and lacks others.
func keptSeriesAreRight(t *testing.T, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 29))
	m := querytest.Maker{Rand: r}
	traces := randomTraces(r)
	fn := budgetedMetrics[r.IntN(len(budgetedMetrics))]
	attr := m.Pick("duration", "span.a", m.Attribute())
	by := fmt.Sprintf(" by (%s, %s)", m.Pick("span:id", "name", m.Attribute()), m.Attribute())
	text := "{ } | " + strings.Replace(fn, "@", attr, 1)
	switch {
	case fn == "A / B":
		text = fmt.Sprintf("({ } | max_over_time(%s)%s) / (%s | count_over_time()%s)", attr, by, m.Filter(), by)
	case !strings.HasPrefix(fn, "compare"):
		text += by
	}
	q, err := Parse(text)
	if err != nil {
		return ""
	}
	budget := &Budget{}
	switch r.IntN(3) {
	case 0:
		budget.Series, budget.Values = 1+r.IntN(8), 1+r.IntN(3)
	case 1: // what a series needs is about 3 KB
		room := int64(r.IntN(40_000))
		budget.Hold = func(n int64) error {
			if n > room {
				return fmt.Errorf("%w: no room", ErrOverBudget)
			}
			room -= n
			return nil
		}
	default: // others take room, and give it back
		budget.Hold = func(n int64) error {
			if n > 0 && r.IntN(6) == 0 {
				return fmt.Errorf("%w: no room", ErrOverBudget)
			}
			return nil
		}
	}
	batches := []Batch{batchOf(t, traces)}
	if r.IntN(2) == 0 {
		batches = batchOfEach(t, traces)
	}
	all, _ := metricLines(t, q, nil, batches)
	kept, why := metricLines(t, q, budget, batches)
	for _, line := range kept {
		if !slices.Contains(all, line) {
			t.Fatalf("seed %d: %s\nkept   %v\nof all %v", seed, text, line, strings.Join(all, "\n       "))
		}
	}
	if len(kept) < len(all) && why == "" {
		t.Fatalf("seed %d: %s: %d of %d series, and it does not say so", seed, text, len(kept), len(all))
	}
	if len(kept) == 0 || len(kept) == len(all) {
		return ""
	}
	return fn
}

func metricLines(t *testing.T, q *Query, b *Budget, batches []Batch) (lines []string, why Partial) {
	m, err := NewMetrics(q, MetricsOptions{Start: 1e9, End: 6e9, Step: 70e6, Budget: b})
	if err != nil {
		t.Fatal(err)
	}
	for _, batch := range batches {
		if err := m.Add(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	series, why := m.Series()
	for _, s := range series {
		lines = append(lines, fmt.Sprint(s.PromLabels(), s.Samples))
	}
	return lines, why
}
