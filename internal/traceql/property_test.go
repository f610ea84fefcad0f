package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"appliance/internal/traceql/querytest"
)

// TestEqualsReference compares the engine with the naive evaluation, on random
// queries and random spans.
func TestEqualsReference(t *testing.T) {
	asked, found := 0, 0
	for seed := uint64(0); asked < 1500; seed++ {
		a, f := equalsReference(t, seed, 20)
		asked, found = asked+a, found+f
		if t.Failed() {
			return
		}
	}
	if found < asked/10 {
		t.Errorf("only %d of %d queries found anything", found, asked)
	}
}

func FuzzEqualsReference(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { equalsReference(t, seed, 3) })
}

// equalsReference says how many queries were asked, and how many found anything.
func equalsReference(t *testing.T, seed uint64, queries int) (asked, found int) {
	r := rand.New(rand.NewPCG(seed, 11))
	traces := randomTraces(r)
	batch := batchOf(t, traces)
	for range queries {
		text := querytest.Maker{Rand: r}.Query()
		q, err := Parse(text)
		if err != nil {
			continue
		}
		asked++
		want := newReference(q.Spans).answer(q.Spans, traces)
		got := engineAnswer(t, q, batch)
		if !slices.Equal(want, got) {
			t.Errorf("seed %d: %s\n%s\nwant %v\ngot  %v\n%s", seed, text, q, want, got, describe(traces))
			return asked, found
		}
		if len(want) > 0 {
			found++
		}
	}
	return asked, found
}

func batchOf(t *testing.T, traces [][]*plainSpan) *MemoryBatch {
	var requests [][]byte
	for _, spans := range traces {
		requests = append(requests, encode(spans))
	}
	batch, err := NewMemoryBatch(requests...)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func engineAnswer(t *testing.T, q *Query, b Batch) []string {
	s, err := NewSearch(q, SearchOptions{Limit: 100})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	if err := s.Add(context.Background(), b); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	found, _ := s.Found()
	var out []string
	for _, trace := range found {
		for _, set := range trace.SpanSets {
			var ids []int
			for _, span := range set.Spans {
				ids = append(ids, int(span.ID[7]))
			}
			sort.Ints(ids)
			var attrs []string
			for _, a := range set.Attributes {
				attrs = append(attrs, a.Name+"="+fmt.Sprint(a.Value[0]))
			}
			sort.Strings(attrs)
			out = append(out, fmt.Sprint(trace.ID[:2], ids, attrs))
		}
	}
	sort.Strings(out)
	return out
}

func describe(traces [][]*plainSpan) (out string) {
	for _, spans := range traces {
		for _, s := range stored(spans) {
			out += fmt.Sprintf("%+v\n", *s)
		}
	}
	return out
}
