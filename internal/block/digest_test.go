package block

import (
	"slices"
	"testing"

	"appliance/internal/block/blocktest"
	"appliance/internal/durable/crashfs"
)

func digestOf(t *testing.T, records [][]byte, key uint64) Digest {
	t.Helper()
	_, _, stats := build(t, records, BuilderOptions{FS: crashfs.New(), Dir: "blocks", KeepCopies: true, DigestKey: key, sortBytes: 1 << 20})
	return stats.Digest
}

// TestDigestIsOfTheSpans holds that neither order nor grouping counts, but the
// key does, and each span.
func TestDigestIsOfTheSpans(t *testing.T) {
	batches := blocktest.Random(2, 10)
	records := blocktest.Records(1, batches)
	want := digestOf(t, records, 1)
	slices.Reverse(records)
	if got := digestOf(t, records, 1); got != want {
		t.Errorf("in another order it is %+v, not %+v", got, want)
	}
	if got := digestOf(t, [][]byte{blocktest.Append(nil, batches...)}, 1); got != want {
		t.Errorf("of one record it is %+v, not %+v", got, want)
	}
	if got := digestOf(t, records, 2); got.Sum == want.Sum || got.Spans != want.Spans {
		t.Errorf("under another key it is %+v too", got)
	}
	if got := digestOf(t, append(records, records[0]), 1); got.Sum == want.Sum || got.Mixed == want.Mixed {
		t.Errorf("with a record twice it is %+v", got)
	}
}

// TestDigestCoversEachField changes one thing of a span after the other.
func TestDigestCoversEachField(t *testing.T) {
	attrs := func(v any) []blocktest.Attr { return []blocktest.Attr{{Key: "k", Value: v}} }
	make := func(change func(r *blocktest.Resource, sc *blocktest.Scope, s *blocktest.Span)) Digest {
		rs := blocktest.ResourceSpans{Resource: blocktest.Resource{Attrs: []blocktest.Attr{{Key: "service.name", Value: "a"}}}}
		s := blocktest.Span{
			TraceID: []byte("0123456789abcdef"), SpanID: []byte("01234567"), Start: 10, End: 20, Attrs: attrs("v"),
			Events: []blocktest.Event{{Time: 11, Name: "e"}}, Links: []blocktest.Link{{TraceID: []byte("t"), SpanID: []byte("s")}},
		}
		var sc blocktest.Scope
		change(&rs.Resource, &sc, &s)
		rs.Scopes = []blocktest.ScopeSpans{{Scope: sc, Spans: []blocktest.Span{s}}}
		return digestOf(t, [][]byte{blocktest.Append(nil, rs)}, 1)
	}
	type (
		res   = blocktest.Resource
		scope = blocktest.Scope
		span  = blocktest.Span
	)
	seen := map[Digest]string{}
	for name, change := range map[string]func(r *res, sc *scope, s *span){
		"nothing":            func(*res, *scope, *span) {},
		"trace id":           func(_ *res, _ *scope, s *span) { s.TraceID = []byte("0123456789abcdeF") },
		"span id":            func(_ *res, _ *scope, s *span) { s.SpanID = []byte("0123456F") },
		"parent":             func(_ *res, _ *scope, s *span) { s.Parent = []byte("01234567") },
		"trace state":        func(_ *res, _ *scope, s *span) { s.TraceState = "x" },
		"name":               func(_ *res, _ *scope, s *span) { s.Name = "x" },
		"kind":               func(_ *res, _ *scope, s *span) { s.Kind = 1 },
		"start":              func(_ *res, _ *scope, s *span) { s.Start-- },
		"end":                func(_ *res, _ *scope, s *span) { s.End++ },
		"status":             func(_ *res, _ *scope, s *span) { s.Status = 1 },
		"message":            func(_ *res, _ *scope, s *span) { s.Message = "x" },
		"dropped attributes": func(_ *res, _ *scope, s *span) { s.DroppedAttrs = 1 },
		"dropped events":     func(_ *res, _ *scope, s *span) { s.DroppedEvents = 1 },
		"dropped links":      func(_ *res, _ *scope, s *span) { s.DroppedLinks = 1 },
		"attribute's key":    func(_ *res, _ *scope, s *span) { s.Attrs[0].Key = "x" },
		"attribute's value":  func(_ *res, _ *scope, s *span) { s.Attrs = attrs("w") },
		"an attribute more":  func(_ *res, _ *scope, s *span) { s.Attrs = append(s.Attrs, s.Attrs[0]) },
		"int":                func(_ *res, _ *scope, s *span) { s.Attrs = attrs(int64(1)) },
		"bool":               func(_ *res, _ *scope, s *span) { s.Attrs = attrs(true) },
		"double":             func(_ *res, _ *scope, s *span) { s.Attrs = attrs(1.0) },
		"array":              func(_ *res, _ *scope, s *span) { s.Attrs = attrs([]any{"v"}) },
		"empty array":        func(_ *res, _ *scope, s *span) { s.Attrs = attrs([]any{}) },
		"bytes":              func(_ *res, _ *scope, s *span) { s.Attrs = attrs([]byte("v")) },
		"no value":           func(_ *res, _ *scope, s *span) { s.Attrs = attrs(nil) },
		"http.method":        func(_ *res, _ *scope, s *span) { s.Attrs[0].Key = "http.method" },
		"event's time":       func(_ *res, _ *scope, s *span) { s.Events[0].Time++ },
		"event's name":       func(_ *res, _ *scope, s *span) { s.Events[0].Name = "x" },
		"event's attribute":  func(_ *res, _ *scope, s *span) { s.Events[0].Attrs = attrs("v") },
		"event's dropped":    func(_ *res, _ *scope, s *span) { s.Events[0].Dropped = 1 },
		"an event more":      func(_ *res, _ *scope, s *span) { s.Events = append(s.Events, s.Events[0]) },
		"link's trace":       func(_ *res, _ *scope, s *span) { s.Links[0].TraceID = []byte("u") },
		"link's span":        func(_ *res, _ *scope, s *span) { s.Links[0].SpanID = []byte("u") },
		"link's state":       func(_ *res, _ *scope, s *span) { s.Links[0].TraceState = "x" },
		"link's attribute":   func(_ *res, _ *scope, s *span) { s.Links[0].Attrs = attrs("v") },
		"link's dropped":     func(_ *res, _ *scope, s *span) { s.Links[0].Dropped = 1 },
		"service":            func(r *res, _ *scope, _ *span) { r.Attrs[0].Value = "b" },
		"resource attribute": func(r *res, _ *scope, _ *span) { r.Attrs = append(r.Attrs, blocktest.Attr{Key: "pod", Value: "p"}) },
		"resource's dropped": func(r *res, _ *scope, _ *span) { r.Dropped = 1 },
		"scope's name":       func(_ *res, sc *scope, _ *span) { sc.Name = "x" },
		"scope's version":    func(_ *res, sc *scope, _ *span) { sc.Version = "x" },
		"scope's attribute":  func(_ *res, sc *scope, _ *span) { sc.Attrs = attrs("v") },
		"scope's dropped":    func(_ *res, sc *scope, _ *span) { sc.Dropped = 1 },
	} {
		d := make(change)
		if other, ok := seen[d]; ok {
			t.Errorf("a change of %s and one of %s have the same digest", name, other)
		}
		seen[d] = name
	}
}
