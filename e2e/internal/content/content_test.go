package content

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func attribute(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// two are two spans of one resource and scope.
func two() *trace.TracesData {
	span := func(id byte) *trace.Span {
		return &trace.Span{
			TraceId: []byte{15: 1}, SpanId: []byte{id}, Name: "op", StartTimeUnixNano: 5, EndTimeUnixNano: 9, Flags: 1,
			Attributes: []*common.KeyValue{attribute("a", "1"), attribute("b", "2")},
			Events:     []*trace.Span_Event{{Name: "event", TimeUnixNano: 7}},
			Links:      []*trace.Span_Link{{TraceId: []byte{2}, SpanId: []byte{3}}},
		}
	}
	return &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{attribute("service.name", "shop"), attribute("host", "h")}},
		SchemaUrl: "https://schema",
		ScopeSpans: []*trace.ScopeSpans{{
			Scope: &common.InstrumentationScope{Name: "library"}, Spans: []*trace.Span{span(1), span(2)},
		}},
	}}}
}

func setOf(t *testing.T, all ...*trace.TracesData) *Set {
	t.Helper()
	set := NewSet()
	for _, td := range all {
		if err := set.Add(proto.Clone(td).(*trace.TracesData)); err != nil {
			t.Fatal(err)
		}
	}
	return set
}

// TestSame compares the same spans in other batches and another order.
func TestSame(t *testing.T) {
	first, second := two(), two()
	first.ResourceSpans[0].ScopeSpans[0].Spans = first.ResourceSpans[0].ScopeSpans[0].Spans[:1]
	second.ResourceSpans[0].ScopeSpans[0].Spans = second.ResourceSpans[0].ScopeSpans[0].Spans[1:]
	span := second.ResourceSpans[0].ScopeSpans[0].Spans[0]
	span.Attributes[0], span.Attributes[1] = span.Attributes[1], span.Attributes[0]
	span.TraceId = []byte{1} // padded with zeros it is the same
	span.Status = &trace.Status{}
	got := setOf(t, second, first)
	if d := Diff(setOf(t, two()), got, 1); len(d) > 0 || got.Spans() != 2 {
		t.Errorf("%d spans in other batches differ: %s", got.Spans(), d)
	}
}

// TestDifferent changes one thing at a time, and wants it told.
func TestDifferent(t *testing.T) {
	for name, change := range map[string]func(*trace.TracesData, *trace.Span){
		"resource":   func(td *trace.TracesData, _ *trace.Span) { td.ResourceSpans[0].Resource.Attributes[1].Key = "node" },
		"schema":     func(td *trace.TracesData, _ *trace.Span) { td.ResourceSpans[0].SchemaUrl = "" },
		"scope":      func(td *trace.TracesData, _ *trace.Span) { td.ResourceSpans[0].ScopeSpans[0].Scope.Version = "1" },
		"name":       func(_ *trace.TracesData, s *trace.Span) { s.Name = "other" },
		"end":        func(_ *trace.TracesData, s *trace.Span) { s.EndTimeUnixNano++ },
		"attribute":  func(_ *trace.TracesData, s *trace.Span) { s.Attributes = s.Attributes[:1] },
		"event":      func(_ *trace.TracesData, s *trace.Span) { s.Events[0].TimeUnixNano++ },
		"link":       func(_ *trace.TracesData, s *trace.Span) { s.Links[0].TraceState = "a=b" },
		"trace":      func(_ *trace.TracesData, s *trace.Span) { s.TraceId = []byte{9} },
		"twice":      func(td *trace.TracesData, s *trace.Span) { td.ResourceSpans[0].ScopeSpans[0].Spans[1] = s },
		"empty kind": func(_ *trace.TracesData, s *trace.Span) { s.Attributes[0].Value = &common.AnyValue{} },
	} {
		t.Run(name, func(t *testing.T) {
			changed := two()
			change(changed, changed.ResourceSpans[0].ScopeSpans[0].Spans[0])
			if d := Diff(setOf(t, two()), setOf(t, changed), 5); len(d) == 0 {
				t.Error("no difference is told")
			}
		})
	}
}

// TestKeepHeld takes out what a block has no place for, and nothing else.
func TestKeepHeld(t *testing.T) {
	td := two()
	attributes := &td.ResourceSpans[0].Resource.Attributes
	*attributes = append(*attributes, attribute("service.name", "last"), &common.KeyValue{Key: "none"})
	want := two()
	want.ResourceSpans[0].SchemaUrl = ""
	want.ResourceSpans[0].Resource.Attributes = []*common.KeyValue{attribute("host", "h"), attribute("service.name", "last"), {Key: "none", Value: &common.AnyValue{}}}
	for _, span := range want.ResourceSpans[0].ScopeSpans[0].Spans {
		span.Flags = 0
	}
	KeepHeld(td)
	if d := Diff(setOf(t, want), setOf(t, td), 1); len(d) > 0 {
		t.Error(d[0])
	}
}

// TestStream reads a stream, and refuses one that breaks off.
func TestStream(t *testing.T) {
	var stream []byte
	for _, message := range []string{"first", "", "third"} {
		stream = append(binary.AppendUvarint(stream, uint64(len(message))), message...)
	}
	var read []string
	keep := func(data []byte) error { read = append(read, string(data)); return nil }
	if err := Stream(bytes.NewReader(stream), keep); err != nil || strings.Join(read, "|") != "first||third" {
		t.Errorf("the messages %q are read: %v", read, err)
	}
	if err := Stream(bytes.NewReader(stream[:len(stream)-1]), keep); err == nil {
		t.Error("a stream that breaks off is read without an error")
	}
}
