package otlpwire

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestSpanFields(t *testing.T) {
	body := resourceSpans(resource("shop"), scopeSpans(span(
		ids(1), text(3, "ot=th:8"), text(4, "parent01"), text(5, "GET /"), varint(6, 2),
		fixed64(7, 10), fixed64(8, 20), varint(10, 1), varint(12, 2), varint(14, 3),
		message(11, fixed64(1, 9), text(2, "event"), attribute(3, "k", text(1, "v")), varint(4, 1)),
		message(13, ids(9), text(3, "a=b"), attribute(4, "k", text(1, "v")), varint(5, 1), fixed32(6, 1)),
		message(15, text(2, "boom"), varint(3, 2)), fixed32(16, 0x301),
	)))
	want := seen{
		TraceID: strings.Repeat("\x01", 16), SpanID: strings.Repeat("\x01", 8), ParentSpanID: "parent01",
		TraceState: "ot=th:8", Name: "GET /", Service: "shop", HasService: true,
		Flags: 0x301, Kind: 2, StatusCode: 2, StartTime: 10, EndTime: 20,
	}
	if got := walk(t, body); !reflect.DeepEqual(got, []seen{want}) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestLastOccurrenceWins(t *testing.T) {
	body := request(span(
		ids(7), text(3, "a=1"), text(4, "parent01"), text(5, "first"), varint(6, 1), fixed64(7, 1), fixed64(8, 1),
		message(15, varint(3, 1), text(2, "m")), fixed32(16, 1),
		fixed32(16, 2), message(15, text(2, "n")), fixed64(8, 2), fixed64(7, 2), varint(6, 3),
		text(5, "last"), text(4, ""), text(3, "a=2"), ids(1),
	))
	got := walk(t, body)[0]
	want := seen{
		TraceID: strings.Repeat("\x01", 16), SpanID: strings.Repeat("\x01", 8), TraceState: "a=2", Name: "last",
		// the second Status is merged and has no code
		Flags: 2, Kind: 3, StatusCode: 1, StartTime: 2, EndTime: 2,
	}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestService(t *testing.T) {
	one := scopeSpans(span(ids(1)))
	tests := []struct {
		name  string
		body  []byte
		want  string
		found bool
	}{
		{"before the spans", resourceSpans(resource("shop"), one), "shop", true},
		{"after the spans", resourceSpans(one, resource("shop")), "shop", true},
		{"between other fields", resourceSpans(text(3, "url"), one, varint(99, 1), resource("shop")), "shop", true},
		{"absent", resourceSpans(message(1, attribute(1, "host.name", text(1, "h"))), one), "", false},
		{"no resource", resourceSpans(one), "", false},
		{"in the second of two resource fields", resourceSpans(message(1, attribute(1, "host.name", text(1, "h"))), one, resource("shop")), "shop", true},
		{"first of two attributes", resourceSpans(resource("shop"), resource("other"), one), "shop", true},
		{"not a string", resourceSpans(message(1, attribute(1, "service.name", varint(3, 5))), resource("other"), one), "", false},
		{"empty", resourceSpans(resource(""), one), "", true},
		{"value before key", resourceSpans(message(1, message(1, message(2, text(1, "shop")), text(1, "service.name"))), one), "shop", true},
		{"value in two pieces", resourceSpans(message(1, message(1, text(1, "service.name"), message(2, varint(3, 1)), message(2, text(1, "shop")))), one), "shop", true},
		{"key twice", resourceSpans(message(1, message(1, text(1, "host.name"), text(1, "service.name"), message(2, text(1, "shop")))), one), "shop", true},
		{"of the first of two resource spans only", append(resourceSpans(resource("shop")), resourceSpans(one)...), "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := walk(t, tt.body)
			if len(got) != 1 || got[0].Service != tt.want || got[0].HasService != tt.found {
				t.Errorf("got %+v, want service %q, %v", got, tt.want, tt.found)
			}
		})
	}
}

func TestPriority(t *testing.T) {
	tests := []struct {
		name  string
		value [][]byte
		want  float64
		found bool
	}{
		{"integer 0", [][]byte{varint(3, 0)}, 0, true},
		{"integer 1", [][]byte{varint(3, 1)}, 1, true},
		{"integer 300", [][]byte{varint(3, 300)}, 300, true},
		{"negative integer", [][]byte{varint(3, math.MaxUint64)}, -1, true},
		{"double", [][]byte{fixed64(4, math.Float64bits(0.5))}, 0.5, true},
		{"double NaN", [][]byte{fixed64(4, math.Float64bits(math.NaN()))}, 0, false},
		{"double infinity", [][]byte{fixed64(4, math.Float64bits(math.Inf(1)))}, math.Inf(1), true},
		{"string integer", [][]byte{text(1, "2")}, 2, true},
		{"string decimal", [][]byte{text(1, "-0.25e1")}, -2.5, true},
		{"empty string", [][]byte{text(1, "")}, 0, false},
		{"string of no number", [][]byte{text(1, "high")}, 0, false},
		{"string with a number before something", [][]byte{text(1, "1x")}, 0, false},
		{"string NaN", [][]byte{text(1, "NaN")}, 0, false},
		{"string beyond float64", [][]byte{text(1, "1e999")}, 0, false},
		{"hexadecimal string", [][]byte{text(1, "0x10")}, 0, false},
		{"bool", [][]byte{varint(2, 1)}, 0, false},
		{"array", [][]byte{message(5, message(1, varint(3, 1)))}, 0, false},
		{"bytes", [][]byte{text(7, "1")}, 0, false},
		{"empty value", nil, 0, false},
		{"oneof, last wins", [][]byte{text(1, "x"), varint(3, 4)}, 4, true},
		{"oneof, bytes last", [][]byte{varint(3, 4), text(7, "1")}, 0, false},
		{"unknown field in the value", [][]byte{varint(3, 4), varint(77, 1)}, 4, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := walk(t, request(span(ids(1), attribute(9, "sampling.priority", tt.value...))))[0]
			if got.Priority != tt.want || got.HasPriority != tt.found {
				t.Errorf("got %v, %v", got.Priority, got.HasPriority)
			}
		})
	}
	t.Run("first of two", func(t *testing.T) {
		got := walk(t, request(span(ids(1), attribute(9, "sampling.priority", varint(3, 0)), attribute(9, "sampling.priority", varint(3, 1)))))[0]
		if got.Priority != 0 || !got.HasPriority {
			t.Errorf("got %v, %v", got.Priority, got.HasPriority)
		}
	})
	t.Run("of an event, not of the span", func(t *testing.T) {
		if got := walk(t, request(span(ids(1), message(11, attribute(3, "sampling.priority", varint(3, 1))))))[0]; got.HasPriority {
			t.Error("has a priority")
		}
	})
}

func TestInvalidSpans(t *testing.T) {
	const bad = "a\xffb"
	long := strings.Repeat("plain text ", 20) + "\xc3\x28" // beyond the quick paths
	span1 := func(fields ...[]byte) []byte { return request(span(append([][]byte{ids(1)}, fields...)...)) }
	tests := []struct {
		name string
		body []byte
		want Invalid
	}{
		{"no fields", request(span()), InvalidTraceID},
		{"no trace id", request(span(text(2, "12345678"))), InvalidTraceID},
		{"short trace id", request(span(text(1, "short"), text(2, "12345678"))), InvalidTraceID},
		{"long trace id", request(span(text(1, "12345678123456781"), text(2, "12345678"))), InvalidTraceID},
		{"zero trace id", request(span(message(1, make([]byte, 16)), text(2, "12345678"))), InvalidTraceID},
		{"bad trace id before a good one", request(span(text(1, "x"), ids(1))), InvalidTraceID},
		{"empty trace id after a good one", span1(text(1, "")), InvalidTraceID},
		{"no span id", request(span(text(1, "1234567812345678"))), InvalidSpanID},
		{"short span id", span1(text(2, "1234")), InvalidSpanID},
		{"zero span id", span1(message(2, make([]byte, 8))), InvalidSpanID},
		{"bad span id before a good one", request(span(text(2, "x"), ids(1))), InvalidSpanID},
		{"short parent id", span1(text(4, "1")), InvalidParentSpanID},
		{"bad parent id before a good one", span1(text(4, "1"), text(4, "12345678")), InvalidParentSpanID},
		{"link with short trace id", span1(message(13, text(1, "x"))), InvalidLink},
		{"link with short span id", span1(message(13, ids(2), text(2, "x"))), InvalidLink},

		{"name", span1(text(5, bad)), InvalidText},
		{"name, long", span1(text(5, long)), InvalidText},
		{"name, overridden", span1(text(5, bad), text(5, "good")), InvalidText},
		{"tracestate", span1(text(3, bad)), InvalidText},
		{"attribute key", span1(attribute(9, bad, varint(3, 1))), InvalidText},
		{"attribute value", span1(attribute(9, "k", text(1, bad))), InvalidText},
		{"attribute value, long", span1(attribute(9, "k", text(1, long))), InvalidText},
		{"attribute value, surrogate half", span1(attribute(9, "k", text(1, "\xed\xa0\x80"))), InvalidText},
		{"in an array", span1(attribute(9, "k", message(5, message(1, text(1, bad))))), InvalidText},
		{"key in a list", span1(attribute(9, "k", message(6, attribute(1, bad)))), InvalidText},
		{"value in a list", span1(attribute(9, "k", message(6, attribute(1, "k", text(1, bad))))), InvalidText},
		{"event name", span1(message(11, text(2, bad))), InvalidText},
		{"event attribute", span1(message(11, attribute(3, bad))), InvalidText},
		{"link tracestate", span1(message(13, ids(2), text(3, bad))), InvalidText},
		{"link attribute", span1(message(13, ids(2), attribute(4, "k", text(1, bad)))), InvalidText},
		{"status message", span1(message(15, text(2, bad))), InvalidText},

		{"resource attribute key", resourceSpans(message(1, attribute(1, bad)), scopeSpans(span(ids(1)))), InvalidResource},
		{"resource attribute after the spans", resourceSpans(scopeSpans(span(ids(1))), message(1, attribute(1, "k", text(1, bad)))), InvalidResource},
		{"schema url of an entity", resourceSpans(message(1, entityRef(bad, "", "", "")), scopeSpans(span(ids(1)))), InvalidResource},
		{"type of an entity", resourceSpans(message(1, entityRef("", bad, "", "")), scopeSpans(span(ids(1)))), InvalidResource},
		{"key of an entity", resourceSpans(message(1, entityRef("", "", bad, "")), scopeSpans(span(ids(1)))), InvalidResource},
		{"description of an entity", resourceSpans(message(1, entityRef("", "", "", bad)), scopeSpans(span(ids(1)))), InvalidResource},
		{"schema url of the resource", resourceSpans(scopeSpans(span(ids(1))), text(3, bad)), InvalidResource},
		{"scope name after the spans", resourceSpans(scopeSpans(span(ids(1)), message(1, text(1, bad)))), InvalidScope},
		{"scope version", resourceSpans(scopeSpans(message(1, text(2, bad)), span(ids(1)))), InvalidScope},
		{"scope attribute", resourceSpans(scopeSpans(message(1, attribute(3, bad)), span(ids(1)))), InvalidScope},
		{"schema url of the scope", resourceSpans(scopeSpans(text(3, bad), span(ids(1)))), InvalidScope},

		{"fine", span1(), 0},
		{"fine, first half of the trace id zero", request(span(ids(1), message(1, append(make([]byte, 15), 1)))), 0},
		{"fine, second half of the trace id zero", request(span(ids(1), message(1, append([]byte{1}, make([]byte, 15)...)))), 0},
		{"fine, no parent", span1(text(4, "")), 0},
		{"fine, zero parent", span1(message(4, make([]byte, 8))), 0},
		{"fine, parent", span1(text(4, "12345678")), 0},
		{"fine, empty ids before good ones", request(span(text(1, ""), text(2, ""), ids(1))), 0},
		{"fine, link without ids", span1(message(13)), 0},
		{"fine, bytes are not text", span1(attribute(9, "k", text(7, bad))), 0},
		{"fine, unknown fields are not text", span1(text(99, bad)), 0},
		{"fine, text beyond ASCII", span1(text(5, "grüße 日本語 🚀"), attribute(9, "größe", text(1, "日本語 日本語"))), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Beside a good span in a ResourceSpans of its own, which must come through.
			other := resourceSpans(resource("other"), scopeSpans(span(ids(2))))
			body := append(append([]byte{}, tt.body...), other...)
			spans := walk(t, body)
			if len(spans) != 2 || spans[0].Invalid != tt.want || spans[1].Invalid != 0 {
				t.Fatalf("got %+v", spans)
			}
			out, n := filter(t, body, map[byte]Verdict{0: {Keep: true}, 1: {Keep: true}, 2: {Keep: true}})
			if tt.want == 0 {
				if !n.Unchanged || n.Kept != 2 {
					t.Errorf("got %+v", n)
				}
				return
			}
			if string(out) != string(other) {
				t.Errorf("got %x\nwant %x", out, other)
			}
			if n.Spans != 2 || n.Kept != 1 || n.Invalid != 1 || n.FirstInvalid != tt.want || n.FirstInvalidIndex != 0 {
				t.Errorf("got %+v", n)
			}
			if !strings.Contains(n.InvalidMessage(), tt.want.String()) || !strings.HasPrefix(n.InvalidMessage(), "1 of 2 spans rejected") {
				t.Errorf("got message %q", n.InvalidMessage())
			}
		})
	}
}

func TestInvalidOfOneScopeLeavesTheOthers(t *testing.T) {
	good := scopeSpans(message(1, text(1, "good")), span(ids(2)))
	body := resourceSpans(scopeSpans(message(1, text(1, "\xff")), span(ids(1))), good)
	out, n := filter(t, body, map[byte]Verdict{1: {Keep: true}, 2: {Keep: true}})
	if want := resourceSpans(good); string(out) != string(want) || n.Invalid != 1 || n.FirstInvalid != InvalidScope {
		t.Errorf("got %x, %+v\nwant %x", out, n, want)
	}
}

func TestFirstInvalid(t *testing.T) {
	body := request(span(ids(1)), span(ids(2), text(5, "\xff")), span())
	_, n := filter(t, body, map[byte]Verdict{1: {Keep: true}})
	want := Counts{Spans: 3, Kept: 1, Invalid: 2, FirstInvalid: InvalidText, FirstInvalidIndex: 1}
	if n != want {
		t.Errorf("got %+v, want %+v", n, want)
	}
	if got, want := n.InvalidMessage(), "2 of 3 spans rejected; the first of them, at index 1: a string of the span is not valid UTF-8"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (&Counts{Spans: 1, Kept: 1}).InvalidMessage(); got != "" {
		t.Errorf("got %q without invalid spans", got)
	}
}
