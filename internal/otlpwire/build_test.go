package otlpwire

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// The tests write requests with protobuf's own encoder, one function a wire type.

func message(number protowire.Number, fields ...[]byte) []byte {
	b := protowire.AppendTag(nil, number, protowire.BytesType)
	return protowire.AppendBytes(b, bytes.Join(fields, nil))
}

func text(number protowire.Number, s string) []byte { return message(number, []byte(s)) }

func varint(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

func fixed64(number protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), v)
}

func fixed32(number protowire.Number, v uint32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, number, protowire.Fixed32Type), v)
}

func group(number protowire.Number, fields ...[]byte) []byte {
	b := protowire.AppendTag(nil, number, protowire.StartGroupType)
	b = append(b, bytes.Join(fields, nil)...)
	return protowire.AppendTag(b, number, protowire.EndGroupType)
}

// Fields of ExportTraceServiceRequest, ResourceSpans and ScopeSpans.
func resourceSpans(fields ...[]byte) []byte { return message(1, fields...) }
func scopeSpans(fields ...[]byte) []byte    { return message(2, fields...) }
func span(fields ...[]byte) []byte          { return message(2, fields...) }

// request puts spans into one ScopeSpans of one ResourceSpans.
func request(spans ...[]byte) []byte { return resourceSpans(scopeSpans(spans...)) }

// resource is a Resource with a service.name.
func resource(service string) []byte {
	return message(1, attribute(1, "service.name", text(1, service)))
}

// entityRef is the field of a Resource that names one of its entities.
func entityRef(schema, kind, id, description string) []byte {
	return message(3, text(1, schema), text(2, kind), text(3, id), text(4, description))
}

// attribute is a KeyValue whose AnyValue holds the field value.
func attribute(number protowire.Number, key string, value ...[]byte) []byte {
	return message(number, text(1, key), message(2, value...))
}

// ids are the fields a span needs to be valid; n tells spans apart.
func ids(n byte) []byte {
	trace := bytes.Repeat([]byte{n}, 16)
	return append(message(1, trace), message(2, trace[:8])...)
}

// nested is an AnyValue's field with depth arrays around an empty value.
func nested(depth int) []byte {
	var value []byte
	for range depth {
		value = message(5, message(1, value))
	}
	return value
}

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seen is a copy of what a visitor was shown.
type seen struct {
	TraceID, SpanID, ParentSpanID string
	TraceState, Name, Service     string
	HasService                    bool
	Flags                         uint32
	Kind, StatusCode              int32
	StartTime, EndTime            uint64
	Priority                      float64
	HasPriority                   bool
	Invalid                       Invalid
}

func see(sp *Span) seen {
	return seen{
		TraceID: string(sp.TraceID), SpanID: string(sp.SpanID), ParentSpanID: string(sp.ParentSpanID),
		TraceState: string(sp.TraceState), Name: string(sp.Name), Service: string(sp.Service), HasService: sp.Service != nil,
		Flags: sp.Flags, Kind: sp.Kind, StatusCode: sp.StatusCode, StartTime: sp.StartTime, EndTime: sp.EndTime,
		Priority: sp.Priority, HasPriority: sp.HasPriority, Invalid: sp.Invalid,
	}
}

// walk returns all spans of a request that must not be refused.
func walk(t testing.TB, body []byte) []seen {
	t.Helper()
	var l Limits
	var spans []seen
	if _, err := l.Walk(body, func(sp *Span) { spans = append(spans, see(sp)) }); err != nil {
		t.Fatalf("walk: %v", err)
	}
	return spans
}

// filter runs Filter with a verdict by the first byte of the trace id, which has to
// be distinct; spans without one are dropped.
func filter(t testing.TB, body []byte, verdicts map[byte]Verdict) ([]byte, Counts) {
	t.Helper()
	var l Limits
	before := slices.Clone(body)
	out, n, err := l.Filter(nil, body, func(sp *Span) Verdict { return verdicts[sp.TraceID[0]] })
	if err != nil {
		t.Fatalf("filter: %v", err)
	}
	if !bytes.Equal(before, body) {
		t.Fatal("the request was written to")
	}
	if n.Spans != n.Kept+n.Dropped+n.Invalid {
		t.Fatalf("counts do not add up: %+v", n)
	}
	return out, n
}
