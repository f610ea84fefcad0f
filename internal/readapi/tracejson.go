package readapi

import (
	"strconv"

	"github.com/grafana/tempo/pkg/tempopb"
	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// spanSize is about how many bytes of JSON a span has.
const spanSize = 1 << 10

// traceJSONOf is what jsonpb makes of a trace, in a tenth of its time. list
// is the name of the list of resources: batches in the first version of the API.
func traceJSONOf(tr *tempopb.Trace, list string) []byte {
	spans := 0
	eachSpan(tr, func(*trace.Span) { spans++ })
	w := &jsonWriter{b: make([]byte, 0, spans*spanSize+64)}
	w.open('{')
	array(w, list, tr.ResourceSpans, w.resourceSpans)
	w.close('}')
	return w.b
}

func (w *jsonWriter) resourceSpans(rs *trace.ResourceSpans) {
	if r := rs.Resource; r != nil {
		w.key("resource")
		w.open('{')
		w.attributes(r.Attributes, r.DroppedAttributesCount)
		w.close('}')
	}
	array(w, "scopeSpans", rs.ScopeSpans, w.scopeSpans)
	w.string("schemaUrl", rs.SchemaUrl)
}

func (w *jsonWriter) scopeSpans(ss *trace.ScopeSpans) {
	if s := ss.Scope; s != nil {
		w.key("scope")
		w.open('{')
		w.string("name", s.Name)
		w.string("version", s.Version)
		w.attributes(s.Attributes, s.DroppedAttributesCount)
		w.close('}')
	}
	array(w, "spans", ss.Spans, w.span)
	w.string("schemaUrl", ss.SchemaUrl)
}

func (w *jsonWriter) span(s *trace.Span) {
	w.bytes("traceId", s.TraceId)
	w.bytes("spanId", s.SpanId)
	w.string("traceState", s.TraceState)
	w.bytes("parentSpanId", s.ParentSpanId)
	w.uint32("flags", s.Flags)
	w.string("name", s.Name)
	w.enum("kind", int32(s.Kind), trace.Span_SpanKind_name)
	w.uint64("startTimeUnixNano", s.StartTimeUnixNano)
	w.uint64("endTimeUnixNano", s.EndTimeUnixNano)
	w.attributes(s.Attributes, s.DroppedAttributesCount)
	array(w, "events", s.Events, w.event)
	w.uint32("droppedEventsCount", s.DroppedEventsCount)
	array(w, "links", s.Links, w.link)
	w.uint32("droppedLinksCount", s.DroppedLinksCount)
	if s.Status != nil {
		w.key("status")
		w.open('{')
		w.string("message", s.Status.Message)
		w.enum("code", int32(s.Status.Code), trace.Status_StatusCode_name)
		w.close('}')
	}
}

func (w *jsonWriter) event(e *trace.Span_Event) {
	w.uint64("timeUnixNano", e.TimeUnixNano)
	w.string("name", e.Name)
	w.attributes(e.Attributes, e.DroppedAttributesCount)
}

func (w *jsonWriter) link(l *trace.Span_Link) {
	w.bytes("traceId", l.TraceId)
	w.bytes("spanId", l.SpanId)
	w.string("traceState", l.TraceState)
	w.attributes(l.Attributes, l.DroppedAttributesCount)
	w.uint32("flags", l.Flags)
}

func (w *jsonWriter) attributes(attrs []*common.KeyValue, dropped uint32) {
	array(w, "attributes", attrs, w.keyValue)
	w.uint32("droppedAttributesCount", dropped)
}

func (w *jsonWriter) keyValue(kv *common.KeyValue) {
	w.string("key", kv.Key)
	if kv.Value != nil {
		w.key("value")
		w.open('{')
		w.anyValue(kv.Value)
		w.close('}')
	}
}

// anyValue writes the one field that the value has, also if it is 0 or empty.
func (w *jsonWriter) anyValue(v *common.AnyValue) {
	switch v := v.Value.(type) {
	case *common.AnyValue_StringValue:
		w.key("stringValue")
		w.text(v.StringValue)
	case *common.AnyValue_BoolValue:
		w.key("boolValue")
		w.b = strconv.AppendBool(w.b, v.BoolValue)
	case *common.AnyValue_IntValue:
		w.key("intValue")
		w.b = append(w.b, '"')
		w.b = strconv.AppendInt(w.b, v.IntValue, 10)
		w.b = append(w.b, '"')
	case *common.AnyValue_DoubleValue:
		w.key("doubleValue")
		w.float(v.DoubleValue)
	case *common.AnyValue_BytesValue:
		w.key("bytesValue")
		w.base64(v.BytesValue)
	case *common.AnyValue_ArrayValue:
		w.key("arrayValue")
		w.open('{')
		array(w, "values", v.ArrayValue.GetValues(), w.anyValue)
		w.close('}')
	case *common.AnyValue_KvlistValue:
		w.key("kvlistValue")
		w.open('{')
		array(w, "values", v.KvlistValue.GetValues(), w.keyValue)
		w.close('}')
	}
}
