package readapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// Each line is name kind id parent start, before and after.
func TestSharedIDs(t *testing.T) {
	const client, server = trace.Span_SPAN_KIND_CLIENT, trace.Span_SPAN_KIND_SERVER
	span := func(name string, kind trace.Span_SpanKind, id, parent byte, start uint64) *trace.Span {
		s := &trace.Span{Name: name, Kind: kind, SpanId: []byte{0, 0, 0, 0, 0, 0, 0, id}, StartTimeUnixNano: start}
		if parent != 0 {
			s.ParentSpanId = []byte{0, 0, 0, 0, 0, 0, 0, parent}
		}
		return s
	}
	tr := &tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{
		Spans: []*trace.Span{
			span("root", server, 1, 0, 0),
			span("served later", server, 9, 8, 30),
			span("called", client, 8, 1, 10),
			span("served", server, 8, 1, 20),
			span("inner", trace.Span_SPAN_KIND_INTERNAL, 7, 8, 21),
			span("called later", client, 9, 8, 25),
			span("2 is taken", trace.Span_SPAN_KIND_INTERNAL, 2, 7, 26),
		},
	}}}}}
	separateSharedIDs(tr)
	var got []string
	eachSpan(tr, func(s *trace.Span) {
		parent := byte(0)
		if len(s.ParentSpanId) > 0 {
			parent = s.ParentSpanId[7]
		}
		got = append(got, fmt.Sprintf("%s: %d under %d", s.Name, s.SpanId[7], parent))
	})
	want := []string{
		"root: 1 under 0", "served later: 4 under 9", "called: 8 under 1", "served: 3 under 8",
		"inner: 7 under 3", "called later: 9 under 3", "2 is taken: 2 under 7",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
