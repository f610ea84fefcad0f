package traceql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Whatever the query is, it ends, and what it finds does not depend on how the
// traces are spread over batches.
func FuzzEvaluate(f *testing.F) {
	for i, r := range readRecorded(f) {
		if i%8 == 0 {
			f.Add(uint64(i), r.query)
		}
	}
	f.Add(uint64(1), `{ } | by(span:id) | by(trace:id) | by(duration) | count() > 0`)
	f.Add(uint64(2), `{ 9223372036854775807 ^ 1 = 1 || 1 / (.a - .a) = 1 || minInt / -1 = 0 || minInt % -1 = 0 }`)
	f.Add(uint64(3), `({ } | rate() by (span:id)) / ({ .a > 0 } | rate() by (span:id))`)
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		q, err := Parse(text)
		if err != nil {
			return
		}
		traces := randomTraces(rand.New(rand.NewPCG(seed%64, 31)))
		whole, parts := []Batch{batchOf(t, traces)}, batchOfEach(t, traces)
		want, got := answerLines(t, q, whole), answerLines(t, q, parts)
		if !slices.Equal(want, got) && !anyOf(q) {
			t.Fatalf("seed %d: %s\n%s\nwhole %v\nparts %v\n%s", seed, text, q, want, got, describe(traces))
		}
	})
}

// anyOf says whether a query asks for any of what is equal.
func anyOf(q *Query) bool {
	text := q.String()
	return strings.Contains(text, "topk(") || strings.Contains(text, "bottomk(") || strings.Contains(text, "compare(")
}

// answerLines is what a query answers, as lines.
func answerLines(t *testing.T, q *Query, batches []Batch) (lines []string) {
	t.Helper()
	if q.Metric != nil {
		m, err := NewMetrics(q, MetricsOptions{Start: 1e9, End: 5e9, Step: 7e7, Exemplars: 3})
		if err != nil {
			return []string{err.Error()}
		}
		for _, b := range batches {
			if err := m.Add(context.Background(), b); err != nil {
				return []string{err.Error()}
			}
		}
		series, partial := m.Series()
		if partial != "" {
			return []string{string(partial)}
		}
		for _, s := range series {
			line := s.PromLabels()
			for _, x := range s.Samples {
				line += fmt.Sprintf(" %d:%.9g", x.Time, x.Value)
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		return lines
	}
	s, err := NewSearch(q, SearchOptions{Limit: 1000})
	if err != nil {
		return []string{err.Error()}
	}
	for _, b := range batches {
		if err := s.Add(context.Background(), b); err != nil {
			return []string{err.Error()}
		}
	}
	found, _ := s.Found()
	for _, f := range found {
		lines = append(lines, fmt.Sprintf("%+v", *f))
	}
	slices.Sort(lines)
	return lines
}
