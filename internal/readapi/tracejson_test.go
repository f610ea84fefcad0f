package readapi

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
	resource "github.com/grafana/tempo/pkg/tempopb/resource/v1"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// fullTrace has every field.
func fullTrace() *tempopb.Trace {
	kv := func(key string, v *common.AnyValue) *common.KeyValue { return &common.KeyValue{Key: key, Value: v} }
	text := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
	}
	number := func(f float64) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: f}}
	}
	attrs := []*common.KeyValue{
		kv("s", text("a\"b\\c\n<é>")), kv("empty", text("")), kv("none", nil), kv("nothing", &common.AnyValue{}), kv("", text("x")),
		kv("i", &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: math.MinInt64}}),
		kv("zero", &common.AnyValue{Value: &common.AnyValue_IntValue{}}),
		kv("b", &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}),
		kv("f", number(1.5)), kv("big", number(1e300)), kv("small", number(5e-324)), kv("0", number(0)),
		kv("nan", number(math.NaN())), kv("inf", number(math.Inf(1))), kv("-inf", number(math.Inf(-1))),
		kv("bytes", &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{0, 255}}}),
		kv("no bytes", &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{}}}),
		kv("array", &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{
			Values: []*common.AnyValue{text("x"), number(2), {}},
		}}}),
		kv("list", &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{
			Values: []*common.KeyValue{kv("k", text("v"))},
		}}}),
		kv("no array", &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{}}}),
	}
	id := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	return &tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{}, {
		Resource:  &resource.Resource{Attributes: attrs, DroppedAttributesCount: 1},
		SchemaUrl: "schema",
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{}}, {
			Scope: &common.InstrumentationScope{
				Name: "lib", Version: "1", Attributes: attrs, DroppedAttributesCount: 2,
			},
			SchemaUrl: "other",
			Spans: []*trace.Span{{}, {
				TraceId: append(id, id...), SpanId: id, ParentSpanId: id, TraceState: "a=b", Flags: 257,
				Name: "name", Kind: trace.Span_SPAN_KIND_CONSUMER, StartTimeUnixNano: 1,
				EndTimeUnixNano: math.MaxUint64, Attributes: attrs, DroppedAttributesCount: 3,
				Events: []*trace.Span_Event{{}, {
					TimeUnixNano: 5, Name: "e", Attributes: attrs, DroppedAttributesCount: 4,
				}},
				DroppedEventsCount: 5,
				Links: []*trace.Span_Link{{}, {
					TraceId: id, SpanId: id, TraceState: "c", Attributes: attrs,
					DroppedAttributesCount: 6, Flags: 7,
				}},
				DroppedLinksCount: 8,
				Status:            &trace.Status{Message: "m", Code: trace.Status_STATUS_CODE_ERROR},
			}, {Kind: 77, Status: &trace.Status{Code: 99}}, {Status: &trace.Status{}}},
		}},
	}}}
}

// The JSON of a trace is what protobuf's mapping says, for which jsonpb stands.
func TestTraceJSON(t *testing.T) {
	for name, tr := range map[string]*tempopb.Trace{"full": fullTrace(), "empty": {}} {
		var want bytes.Buffer
		if err := new(jsonpb.Marshaler).Marshal(&want, tr); err != nil {
			t.Fatal(err)
		}
		compareJSON(t, name, traceJSONOf(tr, "resourceSpans"), want.Bytes())
	}
}

func compareJSON(t *testing.T, name string, got, want []byte) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%s: %s: %v", name, got, err)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("%s: got\n%s, want\n%s", name, got, want)
	}
}

// Whatever bytes are a trace on the wire have the same JSON.
func FuzzTraceJSON(f *testing.F) {
	seed, err := proto.Marshal(fullTrace())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, wire []byte) {
		var tr tempopb.Trace
		if proto.Unmarshal(wire, &tr) != nil {
			return
		}
		var want bytes.Buffer
		if new(jsonpb.Marshaler).Marshal(&want, &tr) != nil {
			return
		}
		compareJSON(t, "", traceJSONOf(&tr, "resourceSpans"), want.Bytes())
	})
}

func BenchmarkTraceJSON(b *testing.B) {
	tr := &tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{}}}}}
	spans := fullTrace().ResourceSpans[1].ScopeSpans[1].Spans
	for range 50 {
		scope := tr.ResourceSpans[0].ScopeSpans[0]
		scope.Spans = append(scope.Spans, spans[1])
	}
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			traceJSONOf(tr, "resourceSpans")
		}
	})
	b.Run("jsonpb", func(b *testing.B) {
		for b.Loop() {
			var out bytes.Buffer
			if err := new(jsonpb.Marshaler).Marshal(&out, tr); err != nil {
				b.Fatal(err)
			}
		}
	})
}
