package tempo

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"appliance/internal/readapi"
	"appliance/internal/traceql"

	"github.com/google/go-cmp/cmp"
)

// found is a trace with a span for each letter of a text.
func found(id byte, start uint64, spans string) *traceql.FoundTrace {
	set := traceql.FoundSpanSet{Matched: len(spans)}
	for _, c := range []byte(spans) {
		set.Spans = append(set.Spans, traceql.FoundSpan{ID: [8]byte{c}, Name: string(c)})
	}
	return &traceql.FoundTrace{
		ID: [16]byte{id}, Start: start, Duration: 10,
		Services: []traceql.Service{{Name: "shop", Spans: len(spans)}},
		SpanSets: []traceql.FoundSpanSet{set},
	}
}

// brief is traces in a line: id@start:spans.
func brief(traces []*traceql.FoundTrace) string {
	var out []string
	for _, t := range traces {
		text := fmt.Sprintf("%c@%d:", t.ID[0], t.Start)
		for _, set := range t.SpanSets {
			for _, s := range set.Spans {
				text += string(s.ID[:1])
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestSearchMergesByTrace(t *testing.T) {
	b := Both(
		&source{found: [][]*traceql.FoundTrace{{found('a', 5, "rs"), found('b', 3, "x")}}},
		&source{
			found: [][]*traceql.FoundTrace{
				{found('a', 4, "st")},
				{found('c', 9, "y"), found('d', 1, "z")},
			},
		},
	)
	var streamed []string
	answer, err := b.Search(
		t.Context(),
		readapi.SearchRequest{Limit: 3, SpansPerSet: 3},
		func(traces []*traceql.FoundTrace) error {
			streamed = append(streamed, brief(traces))
			return nil
		},
	)
	if got := brief(answer.Traces); err != nil || got != "c@9:y a@4:rst b@3:x" {
		t.Errorf("%q %v", got, err)
	}
	all := strings.Join(streamed, " ")
	for _, want := range []string{"a@4:rst", "b@3:x", "c@9:y"} {
		if strings.Count(all, want) != 1 {
			t.Errorf("%s was streamed %d times: %q", want, strings.Count(all, want), streamed)
		}
	}
	a := answer.Traces[1]
	if a.Services[0].Spans != 2 || a.SpanSets[0].Matched != 3 || a.Duration != 11 {
		t.Errorf("merged to %+v", a)
	}
}

// No more spans than were asked for, and the aggregates of whoever has more.
func TestSpanSetsOfOneGroupAreJoined(t *testing.T) {
	named := func(name, value string) traceql.NamedValue {
		return traceql.NamedValue{Name: name, Value: []traceql.Value{traceql.StringValue(value)}}
	}
	set := func(matched int, group, count string, ids ...byte) traceql.FoundSpanSet {
		s := traceql.FoundSpanSet{
			Matched:    matched,
			Attributes: []traceql.NamedValue{named("by(name)", group), named("count()", count)},
		}
		for _, id := range ids {
			s.Spans = append(s.Spans, traceql.FoundSpan{ID: [8]byte{id}})
		}
		return s
	}
	got := mergeSpanSets(
		[]traceql.FoundSpanSet{set(2, "get", "2", 1, 2), set(1, "put", "1", 3)},
		[]traceql.FoundSpanSet{set(5, "get", "5", 2, 4), set(1, "post", "1", 5)}, 2)
	want := []traceql.FoundSpanSet{
		set(5, "get", "5", 2, 4),
		set(1, "put", "1", 3),
		set(1, "post", "1", 5),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A client that takes no more ends the search of both.
func TestAnErrorOfTheClientEndsTheSearch(t *testing.T) {
	gone := errors.New("gone")
	b := Both(&source{hangs: true}, &source{found: [][]*traceql.FoundTrace{{found('a', 1, "x")}}})
	_, err := b.Search(
		t.Context(),
		readapi.SearchRequest{Limit: 1},
		func([]*traceql.FoundTrace) error { return gone },
	)
	if !errors.Is(err, gone) {
		t.Error(err)
	}
}

// However much is found, a search remembers about as much as was asked for.
func TestASearchForgetsOldTraces(t *testing.T) {
	m := &foundMerger{request: readapi.SearchRequest{Limit: 2}}
	for i := range 100 {
		if err := m.add(1, []*traceql.FoundTrace{found(byte(i), uint64(i), "x")}); err != nil {
			t.Fatal(err)
		}
		m.newest()
	}
	if got := m.newest(); len(m.traces) > 8 || got[0].Start != 99 || got[1].Start != 98 {
		t.Errorf("%d are remembered, the newest are %s", len(m.traces), brief(got))
	}
}
