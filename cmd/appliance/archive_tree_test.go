package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/grafana/tempo/pkg/tempopb"
	commonv1 "github.com/grafana/tempo/pkg/tempopb/common/v1"
	resourcev1 "github.com/grafana/tempo/pkg/tempopb/resource/v1"
	tracev1 "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// aSpan is a span of the service that begins so many milliseconds after second 100 and takes one.
func aSpan(service, id, parent, name string, kind tracev1.Span_SpanKind, begins uint64) *tracev1.ResourceSpans {
	start := 100e9 + begins*1e6
	return &tracev1.ResourceSpans{
		Resource:   &resourcev1.Resource{Attributes: []*commonv1.KeyValue{{Key: "service.name", Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: service}}}}},
		ScopeSpans: []*tracev1.ScopeSpans{{Spans: []*tracev1.Span{{SpanId: []byte(id), ParentSpanId: []byte(parent), Name: name, Kind: kind, StartTimeUnixNano: start, EndTimeUnixNano: start + 1e6}}}},
	}
}

const (
	server   = tracev1.Span_SPAN_KIND_SERVER
	client   = tracev1.Span_SPAN_KIND_CLIENT
	internal = tracev1.Span_SPAN_KIND_INTERNAL
)

func TestTraceTree(t *testing.T) {
	failed := aSpan("shop", "dddddddd", "aaaaaaaa", "pay", client, 3)
	failed.ScopeSpans[0].Spans[0].Status = &tracev1.Status{Code: tracev1.Status_STATUS_CODE_ERROR, Message: "no money\x1b[2J"}
	backwards := aSpan("shop", "eeeeeeee", "dddddddd", "backwards\n", internal, 5)
	backwards.ScopeSpans[0].Spans[0].EndTimeUnixNano = 1
	for _, c := range []struct {
		name  string
		spans []*tracev1.ResourceSpans
		want  string
	}{
		{"a tree, in the order of their starts", []*tracev1.ResourceSpans{
			aSpan("shop", "cccccccc", "bbbbbbbb", "third", internal, 2), backwards, failed,
			aSpan("shop", "bbbbbbbb", "aaaaaaaa", "second", internal, 1), aSpan("web", "aaaaaaaa", "", "first", server, 0),
		}, `
       +0s        1ms  web: first
      +1ms        1ms  ├─ shop: second
      +2ms        1ms  │  └─ shop: third
      +3ms        1ms  └─ shop: pay  error: no money\x1b[2J
      +5ms          ?     └─ shop: backwards\n
`},
		{"parents that are not there", []*tracev1.ResourceSpans{
			aSpan("", "aaaaaaaa", "xxxxxxxx", "one", internal, 0), aSpan("s", "bbbbbbbb", "aaaaaaaa", "below", internal, 1), aSpan("s", "cccccccc", "xxxxxxxx", "two", internal, 2),
			aSpan("s", "dddddddd", "yyyyyyyy", "three", internal, 3),
		}, `
                       parent 7878787878787878 is not in the archive
       +0s        1ms  ├─ -: one
      +1ms        1ms  │  └─ s: below
      +2ms        1ms  └─ s: two
                       parent 7979797979797979 is not in the archive
      +3ms        1ms  └─ s: three
`},
		{"circles", []*tracev1.ResourceSpans{
			aSpan("s", "aaaaaaaa", "bbbbbbbb", "a", internal, 0), aSpan("s", "bbbbbbbb", "aaaaaaaa", "b", internal, 1),
			aSpan("s", "cccccccc", "cccccccc", "its own parent", internal, 2), aSpan("s", "dddddddd", "bbbbbbbb", "hangs from a circle", internal, 3),
		}, `
       +0s        1ms  s: a
      +1ms        1ms  └─ s: b
      +3ms        1ms     └─ s: hangs from a circle
      +2ms        1ms  s: its own parent
`},
		{"one id for client and server, as Zipkin's", []*tracev1.ResourceSpans{
			aSpan("db", "bbbbbbbb", "aaaaaaaa", "served", server, 1), aSpan("web", "bbbbbbbb", "aaaaaaaa", "call", client, 1),
			aSpan("web", "aaaaaaaa", "\x00\x00\x00\x00\x00\x00\x00\x00", "root", server, 0), aSpan("db", "cccccccc", "bbbbbbbb", "query", internal, 2),
		}, `
       +0s        1ms  web: root
      +1ms        1ms  └─ web: call
      +1ms        1ms     └─ db: served
      +2ms        1ms        └─ db: query
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := writeTraceTree(&b, "abc", "shop", "the archive", &tempopb.Trace{ResourceSpans: c.spans}); err != nil {
				t.Fatal(err)
			}
			_, tree, _ := strings.Cut(b.String(), "\n\n")
			if tree != strings.TrimPrefix(c.want, "\n") {
				t.Errorf("got\n%s\nwant%s", tree, c.want)
			}
		})
	}
}

// TestDeepTrace holds that a chain of spans is printed whole, and not with
// indents that grow without end.
func TestDeepTrace(t *testing.T) {
	const depth = 20_000
	trace := &tempopb.Trace{}
	id := func(i int) string { return fmt.Sprintf("%08d", i) }
	trace.ResourceSpans = append(trace.ResourceSpans, aSpan("s", id(0), "", "n", internal, 0))
	for i := 1; i < depth; i++ {
		trace.ResourceSpans = append(trace.ResourceSpans, aSpan("s", id(i), id(i-1), "n", internal, uint64(i)))
	}
	var b strings.Builder
	if err := writeTraceTree(&b, "abc", "shop", "the archive", trace); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "s: n\n"); n != depth {
		t.Errorf("%d of %d spans", n, depth)
	}
	if !strings.Contains(b.String(), fmt.Sprintf("[level %d] s: n\n", depth-1)) || b.Len() > depth*120 {
		t.Errorf("%d bytes", b.Len())
	}
}
