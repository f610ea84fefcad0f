package querier

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"appliance/internal/block"
	"appliance/internal/traceql"
	"appliance/internal/traceql/querytest"
)

// TestRowGroupEqualsMemory compares what a block answers with what the same
// spans answer in memory.
func TestRowGroupEqualsMemory(t *testing.T) {
	asked, found := 0, 0
	for seed := uint64(0); asked < 1000 && !t.Failed(); seed++ {
		r := rand.New(rand.NewPCG(seed, 5))
		m := &spanMaker{Rand: r, start: 1e18}
		var records [][]byte
		for range 1 + r.IntN(30) {
			records = append(records, m.record(t))
		}
		memory := memoryOf(t, records...)
		groups := rowGroups(t, buildBlock(t, records))
		for range 30 {
			text := randomQuery(r)
			q, err := traceql.Parse(text)
			if err != nil {
				continue
			}
			asked++
			want, got := searchBatches(t, q, memory), searchBatches(t, q, groups...)
			if !slices.Equal(want, got) {
				t.Errorf("seed %d: %s\nwant %v\ngot  %v", seed, text, want, got)
				break
			}
			if len(want) > 0 {
				found++
			}
		}
	}
	if found < asked/10 {
		t.Errorf("only %d of %d queries found anything", found, asked)
	}
}

// randomQuery does not ask for the numbers of nested sets: they depend on the
// order of the spans, which a block changes.
func randomQuery(r *rand.Rand) string {
	for {
		if q := (querytest.Maker{Rand: r}).Query(); !strings.Contains(q, "nestedSet") {
			return q
		}
	}
}

func memoryOf(t testing.TB, records ...[]byte) traceql.Batch {
	t.Helper()
	b := traceql.NewMemoryBuilder()
	b.DropCopies()
	for _, r := range records {
		if err := b.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	return b.Batch()
}

func buildBlock(t testing.TB, records [][]byte) *block.Block {
	t.Helper()
	dir := t.TempDir()
	id := "11111111-1111-4111-8111-111111111111"
	b, err := block.NewBuilder(block.BuilderOptions{Dir: dir, Tenant: "t", BlockID: id, PageSpans: 8})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := b.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	src := block.OpenDir(filepath.Join(dir, "t", id))
	t.Cleanup(func() { _ = src.Close() })
	open, err := block.Open(t.Context(), src, block.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return open
}

func rowGroups(t testing.TB, b *block.Block) []traceql.Batch {
	t.Helper()
	var out []traceql.Batch
	for i := range b.RowGroups() {
		batch, err := newRowBatch(t.Context(), b.RowGroup(i), &budget{memory: math.MaxInt64})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, batch)
	}
	return out
}

func searchBatches(t testing.TB, q *traceql.Query, batches ...traceql.Batch) []string {
	t.Helper()
	s, err := traceql.NewSearch(q, traceql.SearchOptions{Limit: 10_000})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	for _, b := range batches {
		if err := s.Add(context.Background(), b); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	found, partial := s.Found()
	if partial != "" {
		t.Fatalf("%s: partial: %s", q, partial)
	}
	return describeFound(found)
}

// describeFound is all that an answer says, but for the order of spans and span
// sets, and of attributes.
func describeFound(found []*traceql.FoundTrace) []string {
	var out []string
	for _, trace := range found {
		services := slices.Clone(trace.Services)
		sort.Slice(services, func(i, k int) bool { return services[i].Name < services[k].Name })
		line := fmt.Sprintf("%x %q %q %d+%d %v", trace.ID, trace.RootService, trace.RootName, trace.Start, trace.Duration, services)
		var sets []string
		for _, set := range trace.SpanSets {
			var spans []string
			for _, s := range set.Spans {
				spans = append(spans, fmt.Sprintf("%d:%q:%d+%d%v", s.ID[7], s.Name, s.Start, s.Duration, describeValues(s.Attributes)))
			}
			sort.Strings(spans)
			sets = append(sets, fmt.Sprint(set.Matched, describeValues(set.Attributes), spans))
		}
		sort.Strings(sets)
		out = append(out, line+" "+strings.Join(sets, " "))
	}
	sort.Strings(out)
	return out
}

func describeValues(values []traceql.NamedValue) []string {
	var out []string
	for _, a := range values {
		var texts []string
		for _, v := range a.Value {
			texts = append(texts, v.String())
		}
		sort.Strings(texts)
		out = append(out, fmt.Sprint(a.Name, "=", texts))
	}
	sort.Strings(out)
	return out
}
