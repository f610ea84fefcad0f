package tracetree

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// of makes a trace of spans written as "id<parent from-to".
func of(t *testing.T, spans ...string) *tempopb.Trace {
	t.Helper()
	ss := &trace.ScopeSpans{}
	for _, text := range spans {
		who, when, _ := strings.Cut(text, " ")
		id, parent, _ := strings.Cut(who, "<")
		s := &trace.Span{SpanId: []byte(id), ParentSpanId: []byte(parent), Name: id}
		if _, err := fmt.Sscanf(when, "%d-%d", &s.StartTimeUnixNano, &s.EndTimeUnixNano); err != nil {
			t.Fatal(err)
		}
		ss.Spans = append(ss.Spans, s)
	}
	return &tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{ss}}}}
}

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		spans []string
		want  string
	}{
		"by start":     {[]string{"c<a 5-6", "a 0-9", "b<a 1-4", "d<b 2-3"}, "a0 b1 d2 c1"},
		"two roots":    {[]string{"a 0-9", "b 3-4", "c<b 3-4"}, "a0 b0 c1"},
		"orphans":      {[]string{"a<x 0-9", "b<a 1-2", "r 4-5"}, "r0 a1 b2"},
		"a circle":     {[]string{"a<b 0-9", "b<a 1-2"}, "a0 b1"},
		"its own":      {[]string{"a<a 0-9"}, "a0"},
		"empty":        {nil, ""},
		"no parent id": {[]string{"a<\x00 0-9"}, "a0"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, l := range Grow(of(t, c.spans...)).Lines() {
				got = append(got, fmt.Sprintf("%s%d", l.Name, l.Depth))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}

func TestMarkCritical(t *testing.T) {
	for name, c := range map[string]struct {
		spans []string
		want  string // names with their own time on the path
	}{
		"alone":            {[]string{"a 0-10"}, "a10"},
		"one after other":  {[]string{"a 0-10", "b<a 1-4", "c<a 5-9"}, "a3 b3 c4"},
		"beside, the last": {[]string{"a 0-10", "b<a 1-5", "c<a 1-9"}, "a2 c8"},
		"runs on":          {[]string{"a 0-10", "b<a 1-15", "c<a 1-4"}, "a7 c3"},
		"deep":             {[]string{"a 0-10", "b<a 2-8", "c<b 3-7"}, "a4 b2 c4"},
		"began before":     {[]string{"a 5-10", "b<a 1-8"}, "a2 b7"},
		"backwards":        {[]string{"a 5-10", "b<a 9-8"}, "a5"},
		"no root":          {[]string{"a<x 0-4", "b<x 2-9"}, "b7"},
		"no span":          {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tree := Grow(of(t, c.spans...))
			tree.MarkCritical()
			var got []string
			for _, l := range tree.Lines() {
				if l.Critical > 0 {
					got = append(got, fmt.Sprintf("%s%d", l.Name, l.Critical))
				}
			}
			slices.Sort(got)
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}

// A chain of 200,000 spans needs no stack.
func TestDeep(t *testing.T) {
	const n = 200_000
	ss := &trace.ScopeSpans{}
	for i := range n {
		ss.Spans = append(ss.Spans, &trace.Span{
			SpanId: fmt.Appendf(nil, "%08d", i), ParentSpanId: fmt.Appendf(nil, "%08d", i-1),
			StartTimeUnixNano: uint64(i), EndTimeUnixNano: 2*n - uint64(i),
		})
	}
	tree := Grow(&tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{ss}}}})
	tree.MarkCritical()
	if lines := tree.Lines(); len(lines) != n || lines[n-1].Depth != n {
		t.Errorf("%d lines", len(lines))
	}
}

// plainParent is the parent of a span, found by looking at all others.
func plainParent(n *Node, all []*Node) (parent *Node) {
	for _, twin := range all {
		if n.Kind == trace.Span_SPAN_KIND_SERVER && twin.Kind == trace.Span_SPAN_KIND_CLIENT &&
			string(twin.SpanId) == string(n.SpanId) {
			return twin
		}
	}
	for _, p := range all {
		if p != n && string(p.SpanId) == string(n.ParentSpanId) &&
			(parent == nil || p.Kind == trace.Span_SPAN_KIND_SERVER) {
			parent = p
		}
	}
	return parent
}

// Ids that several spans have are told apart as by looking at all spans.
func TestParents(t *testing.T) {
	kinds := []trace.Span_SpanKind{
		trace.Span_SPAN_KIND_INTERNAL, trace.Span_SPAN_KIND_SERVER, trace.Span_SPAN_KIND_CLIENT,
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var all []*Node
		byID := map[string]*twins{}
		for range 1 + r.IntN(8) {
			n := &Node{Span: &trace.Span{
				SpanId: []byte{byte(r.IntN(3))}, ParentSpanId: []byte{byte(r.IntN(4))}, Kind: kinds[r.IntN(len(kinds))],
			}}
			all = append(all, n)
			if byID[string(n.SpanId)] == nil {
				byID[string(n.SpanId)] = &twins{}
			}
			byID[string(n.SpanId)].add(n)
		}
		for i, n := range all {
			if got, want := n.parentIn(byID), plainParent(n, all); got != want {
				t.Fatalf("span %d of %v stands under %v, not %v", i, all, got, want)
			}
		}
	}
}

// A trace may have one id 50,000 times, and as many spans may name it as their
// parent: no span looks at all of them.
func TestOneIDOften(t *testing.T) {
	const n = 50_000
	ss := &trace.ScopeSpans{}
	for i := range n {
		ss.Spans = append(ss.Spans,
			&trace.Span{SpanId: []byte("same"), Kind: trace.Span_SPAN_KIND_SERVER},
			&trace.Span{SpanId: fmt.Appendf(nil, "%08d", i), ParentSpanId: []byte("same")})
	}
	tree := Grow(&tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{ss}}}})
	lines := tree.Lines()
	if len(lines) != 2*n || len(tree.Roots) != n || lines[2*n-1].Depth != 1 {
		t.Errorf("%d lines and %d roots", len(lines), len(tree.Roots))
	}
}
