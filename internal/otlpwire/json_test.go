package otlpwire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

const jsonIDs = `"traceId":"01010101010101010101010101010101","spanId":"0101010101010101"`

// jsonSpan is a request of one span with more fields.
func jsonSpan(fields string) string {
	return `{"resourceSpans":[{"scopeSpans":[{"spans":[{` + jsonIDs + fields + `}]}]}]}`
}

// jsonEntities is a request whose resource refers to entities.
const jsonEntities = `{"resourceSpans":[{"resource":{"entityRefs":[{"schemaUrl":"url","type":"h\u006fst","idKeys":["id"],"descriptionKeys":["name","n\u0061me",null]},` +
	`{"idKeys":[],"descriptionKeys":null},null]}}]}`

func TestFromJSON(t *testing.T) {
	one := func(fields ...[]byte) []byte { return request(span(append([][]byte{ids(1)}, fields...)...)) }
	attr := func(fields ...[]byte) []byte { return one(attribute(9, "k", fields...)) }
	jsonAttr := func(value string) string { return jsonSpan(`,"attributes":[{"key":"k","value":` + value + `}]`) }
	tests := []struct {
		name string
		body string
		want []byte
	}{
		{"empty", `{}`, nil},
		{"empty, spaced", " \t\r\n{ \n} \n", nil},
		{"no spans", `{"resourceSpans":[{"scopeSpans":[{"spans":[]}]},{}]}`, append(resourceSpans(scopeSpans()), resourceSpans()...)},
		{"one span", jsonSpan(""), one()},
		{
			"every field of a span",
			jsonSpan(`,"traceState":"a=1","parentSpanId":"0202020202020202","name":"GET","kind":2,"startTimeUnixNano":"10","endTimeUnixNano":20,` +
				`"attributes":[],"droppedAttributesCount":1,"events":[{"timeUnixNano":"5","name":"e","attributes":[{"key":"k","value":{"boolValue":true}}],"droppedAttributesCount":2}],` +
				`"droppedEventsCount":3,"links":[{"traceId":"","spanId":"0303030303030303","traceState":"b=2","attributes":[],"droppedAttributesCount":"4","flags":5}],` +
				`"droppedLinksCount":6,"status":{"message":"m","code":2},"flags":769`),
			one(text(3, "a=1"), message(4, bytes.Repeat([]byte{2}, 8)), text(5, "GET"), varint(6, 2), fixed64(7, 10), fixed64(8, 20),
				varint(10, 1), message(11, fixed64(1, 5), text(2, "e"), attribute(3, "k", varint(2, 1)), varint(4, 2)),
				varint(12, 3), message(13, message(1), message(2, bytes.Repeat([]byte{3}, 8)), text(3, "b=2"), varint(5, 4), fixed32(6, 5)),
				varint(14, 6), message(15, text(2, "m"), varint(3, 2)), fixed32(16, 769)),
		},
		{
			"resource after its spans, scope, schema urls",
			`{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"n","version":"v","attributes":[{"key":"k"}],"droppedAttributesCount":1},"schemaUrl":"s"}],` +
				`"schemaUrl":"r","resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}],"droppedAttributesCount":2}}]}`,
			resourceSpans(scopeSpans(message(1, text(1, "n"), text(2, "v"), message(3, text(1, "k")), varint(4, 1)), text(3, "s")), text(3, "r"),
				message(1, attribute(1, "service.name", text(1, "shop")), varint(2, 2))),
		},
		{"references to entities", jsonEntities, resourceSpans(message(1,
			message(3, text(1, "url"), text(2, "host"), text(3, "id"), text(4, "name"), text(4, "name"), text(4, "")), message(3), message(3)))},
		{"keys of profiles", jsonSpan(`,"attributes":[{"keyStrindex":1,"value":{"stringValueStrindex":2}}]`), one(message(9, message(2)))},
		{"unknown keys", `{"resourceSpans":[],"other":{"a":[1,-2.5e3,"x\"y",null,true,false,{"b":{}},[]]}}`, nil},
		{"keys of another case", `{"RESOURCESPANS":[{}],"Resourcespans":[{}]}`, nil},
		{"snake_case keys in a span", jsonSpan(`,"trace_state":"a","parent_span_id":7,"start_time_unix_nano":{},"name":"n"`), one(text(5, "n"))},
		{"escaped key", jsonSpan(`,"\u006eame":"n","na\u006de\n":"x"`), one(text(5, "n"))},
		{"nulls", jsonSpan(`,"name":null,"kind":null,"startTimeUnixNano":null,"attributes":null,"status":null,"flags":null,"parentSpanId":null`),
			one(text(5, ""), message(15), message(4))},
		{"null elements", `{"resourceSpans":[null,{"scopeSpans":[null,{"spans":[null]}]}]}`, append(resourceSpans(), resourceSpans(scopeSpans(), scopeSpans(span()))...)},

		{"string", jsonAttr(`{"stringValue":"grüße 日本"}`), attr(text(1, "grüße 日本"))},
		{"escapes", jsonAttr(`{"stringValue":"\"\\\/\b\f\n\r\tA\u00e9\u20AC\ud83d\ude00"}`), attr(text(1, "\"\\/\b\f\n\r\tAé€😀"))},
		{"half surrogates", jsonAttr(`{"stringValue":"\ud800 \udc00 \ud800\ud83d\ude00 \ud800\n \ud800"}`), attr(text(1, "\ufffd \ufffd \ufffd😀 \ufffd\n \ufffd"))},
		{"nul character", jsonAttr(`{"stringValue":"a\u0000b"}`), attr(text(1, "a\x00b"))},
		{"text that is not UTF-8 is for Filter", jsonAttr("{\"stringValue\":\"\xff\"}"), attr(text(1, "\xff"))},
		{"booleans", jsonAttr(`{"boolValue":false}`), attr(varint(2, 0))},
		{"integer", jsonAttr(`{"intValue":42}`), attr(varint(3, 42))},
		{"integer as string", jsonAttr(`{"intValue":"42"}`), attr(varint(3, 42))},
		{"integer as escaped string", jsonAttr(`{"intValue":"4\u0032"}`), attr(varint(3, 42))},
		{"largest integer", jsonAttr(`{"intValue":"9223372036854775807"}`), attr(varint(3, math.MaxInt64))},
		{"smallest integer", jsonAttr(`{"intValue":-9223372036854775808}`), attr(varint(3, 1<<63))},
		{"double", jsonAttr(`{"doubleValue":-2.5e-3}`), attr(fixed64(4, math.Float64bits(-2.5e-3)))},
		{"double as string", jsonAttr(`{"doubleValue":"1e3"}`), attr(fixed64(4, math.Float64bits(1000)))},
		{"double NaN as string", jsonAttr(`{"doubleValue":"NaN"}`), attr(fixed64(4, math.Float64bits(math.NaN())))},
		{"double Infinity as string", jsonAttr(`{"doubleValue":"-Infinity"}`), attr(fixed64(4, math.Float64bits(math.Inf(-1))))},
		{"negative zero", jsonAttr(`{"doubleValue":-0}`), attr(fixed64(4, 1<<63))},
		{"null number", jsonAttr(`{"doubleValue":null}`), attr()},
		{"bytes", jsonAttr(`{"bytesValue":"+/8="}`), attr(text(7, "\xfb\xff"))},
		{"bytes, URL-safe", jsonAttr(`{"bytesValue":"-_8="}`), attr(text(7, "\xfb\xff"))},
		{"bytes, no padding", jsonAttr(`{"bytesValue":"+/8"}`), attr(text(7, "\xfb\xff"))},
		{"bytes, escaped", jsonAttr(`{"bytesValue":"\/\/\/\/QUJDREVGR0hJSktMTU5PUA=="}`), attr(text(7, "\xff\xff\xffABCDEFGHIJKLMNOP"))},
		{"no bytes", jsonAttr(`{"bytesValue":""}`), attr(text(7, ""))},
		{"array", jsonAttr(`{"arrayValue":{"values":[{"intValue":1},{},null,{"stringValue":""}]}}`), attr(message(5, message(1, varint(3, 1)), message(1), message(1), message(1, text(1, ""))))},
		{"empty arrays", jsonAttr(`{"arrayValue":null}`), attr(message(5))},
		{"list", jsonAttr(`{"kvlistValue":{"values":[{"key":"a","value":{"intValue":1}}]}}`), attr(message(6, attribute(1, "a", varint(3, 1))))},
		{"duplicate keys, the last wins when decoded", jsonSpan(`,"name":"a","name":"b"`), one(text(5, "a"), text(5, "b"))},

		{"upper case id", strings.Replace(jsonSpan(""), "0101010101010101\"", "ABCDEF0123456789\"", 2), request(span(message(1, fromHex(t, "0101010101010101abcdef0123456789")), message(2, fromHex(t, "abcdef0123456789"))))},
		{"escaped id", strings.Replace(jsonSpan(""), `"01`, `"\u0030\u0031`, 2), one()},
		{"enum below zero", jsonSpan(`,"kind":-1`), one(varint(6, math.MaxUint64))},
		{"unknown enum", jsonSpan(`,"kind":2147483647`), one(varint(6, math.MaxInt32))},
		{"absurd times", jsonSpan(`,"startTimeUnixNano":"18446744073709551615","endTimeUnixNano":0`), one(fixed64(7, math.MaxUint64), fixed64(8, 0))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l Limits
			got, err := l.FromJSON([]byte("before"), []byte(tt.body))
			if err != nil || !bytes.Equal(got, append([]byte("before"), tt.want...)) {
				t.Errorf("got  %x, %v\nwant %x", bytes.TrimPrefix(got, []byte("before")), err, tt.want)
			}
		})
	}
}

// TestFromJSONIdentifiers wants what makes one span invalid to leave the request alone.
func TestFromJSONIdentifiers(t *testing.T) {
	good := `{"traceId":"02020202020202020202020202020202","spanId":"0202020202020202"}`
	tests := []struct {
		name, span string
		want       Invalid
	}{
		{"no ids", `{}`, InvalidTraceID},
		{"empty trace id", `{"traceId":"","spanId":"0101010101010101"}`, InvalidTraceID},
		{"zero trace id", `{"traceId":"00000000000000000000000000000000","spanId":"0101010101010101"}`, InvalidTraceID},
		{"short trace id", `{"traceId":"0101","spanId":"0101010101010101"}`, InvalidTraceID},
		{"trace id of 31 digits", `{"traceId":"0101010101010101010101010101010","spanId":"0101010101010101"}`, InvalidTraceID},
		{"trace id of 33 digits", `{"traceId":"010101010101010101010101010101010","spanId":"0101010101010101"}`, InvalidTraceID},
		{"long trace id", `{"traceId":"0101010101010101010101010101010101","spanId":"0101010101010101"}`, InvalidTraceID},
		{"short trace id before a good one", `{"traceId":"01",` + jsonIDs + `}`, InvalidTraceID},
		{"short span id", `{` + strings.Replace(jsonIDs, `"0101010101010101"`, `"01"`, 1) + `}`, InvalidSpanID},
		{"zero span id", `{` + strings.Replace(jsonIDs, `"0101010101010101"`, `"0000000000000000"`, 1) + `}`, InvalidSpanID},
		{"short parent id", `{` + jsonIDs + `,"parentSpanId":"1"}`, InvalidParentSpanID},
		{"short trace id of a link", `{` + jsonIDs + `,"links":[{"traceId":"01"}]}`, InvalidLink},
		{"text that is not UTF-8", `{` + jsonIDs + ",\"name\":\"\xff\"}", InvalidText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l Limits
			body, err := l.FromJSON(nil, []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[`+tt.span+`,`+good+`]}]}]}`))
			if err != nil {
				t.Fatal(err)
			}
			out, n := filter(t, body, map[byte]Verdict{1: keep, 2: keep})
			if n.Kept != 1 || n.Invalid != 1 || n.FirstInvalid != tt.want || !bytes.Equal(out, request(span(ids(2)))) {
				t.Errorf("got %+v, %x", n, out)
			}
		})
	}
}

func TestFromJSONMalformed(t *testing.T) {
	attr := func(value string) string { return jsonSpan(`,"attributes":[{"key":"k","value":` + value + `}]`) }
	tests := []struct {
		name string
		body string
		want problem
	}{
		{"nothing", ``, endOfJSON},
		{"only space", " \n", endOfJSON},
		{"null", `null`, notJSON},
		{"array", `[]`, notJSON},
		{"string", `"{}"`, notJSON},
		{"UTF-16 with byte order mark", "\xff\xfe{\x00}\x00", notJSON},
		{"UTF-16 little endian", "{\x00}\x00", notJSON},
		{"UTF-16 big endian", "\x00{\x00}", notJSON},
		{"protobuf", string(request(span(ids(1)))), notJSON},
		{"trailing object", `{}{}`, trailingData},
		{"trailing comma", `{},`, trailingData},
		{"trailing nul", "{}\x00", trailingData},
		{"unclosed", `{"resourceSpans":[`, endOfJSON},
		{"unclosed string", `{"resourceSpans`, endOfJSON},
		{"unclosed escape", `{"resourceSpans\`, endOfJSON},
		{"no colon", `{"a" 1}`, notJSON},
		{"no comma", `{"a":1 "b":2}`, notJSON},
		{"comma before }", `{"a":1,}`, notJSON},
		{"comma before ]", `{"resourceSpans":[{},]}`, notJSON},
		{"comma in unknown array", `{"a":[1,]}`, notJSON},
		{"key not a string", `{a:1}`, notJSON},
		{"null key", `{null:1}`, notJSON},
		{"crossed brackets", `{"a":[1}`, notJSON},
		{"comment", `{/**/}`, notJSON},
		{"single quotes", `{'a':1}`, notJSON},
		{"control character", "{\"a\":\"\n\"}", controlCharacter},
		{"control character in a key", "{\"a\tb\":1}", controlCharacter},
		{"control character behind an escape", jsonSpan(",\"name\":\"\\n\x01\""), controlCharacter},
		{"unknown escape", `{"a":"\x"}`, badEscape},
		{"short unicode escape", `{"a":"\u12"}`, badEscape},
		{"key not UTF-8", "{\"a\xff\":1}", notUTF8},
		{"unknown value not UTF-8", "{\"a\":\"\xff\"}", notUTF8},
		{"bare word", `{"a":yes}`, notJSON},
		{"cut literal", `{"a":tru}`, notJSON},
		{"NaN of an unknown key", `{"a":NaN}`, notJSON},
		{"leading zero", `{"a":01}`, notJSON},
		{"plus sign", `{"a":+1}`, notJSON},
		{"no digits behind the point", `{"a":1.}`, notJSON},
		{"no digits in the exponent", `{"a":1e}`, notJSON},

		{"NaN", attr(`{"doubleValue":NaN}`), notJSON},
		{"Infinity", attr(`{"doubleValue":Infinity}`), notJSON},
		{"-Infinity", attr(`{"doubleValue":-Infinity}`), notJSON},
		{"double beyond float64", attr(`{"doubleValue":1e999}`), badNumber},
		{"double as hexadecimal string", attr(`{"doubleValue":"0x1p4"}`), badNumber},
		{"double as the string inf", attr(`{"doubleValue":"inf"}`), badNumber},
		{"integer as the string NaN", attr(`{"intValue":"NaN"}`), badNumber},
		{"integer with fraction", attr(`{"intValue":1.5}`), badNumber},
		{"integer with exponent", attr(`{"intValue":1e3}`), badNumber},
		{"integer beyond 64 bits", attr(`{"intValue":9223372036854775808}`), badNumber},
		{"integer far beyond 64 bits", attr(`{"intValue":"34587645138205409280"}`), badNumber},
		{"integer as empty string", attr(`{"intValue":""}`), badNumber},
		{"integer as string with space", attr(`{"intValue":" 1"}`), badNumber},
		{"integer as string with plus", attr(`{"intValue":"+1"}`), badNumber},
		{"integer as bool", attr(`{"intValue":true}`), wrongJSONType},
		{"integer as object", attr(`{"intValue":{}}`), wrongJSONType},
		{"negative time", jsonSpan(`,"startTimeUnixNano":-1`), badNumber},
		{"time far beyond 64 bits", jsonSpan(`,"startTimeUnixNano":34587645138205409280`), badNumber},
		{"time beyond 64 bits", jsonSpan(`,"startTimeUnixNano":"18446744073709551616"`), badNumber},
		{"flags beyond 32 bits", jsonSpan(`,"flags":4294967296`), badNumber},
		{"count below zero", jsonSpan(`,"droppedLinksCount":-1`), badNumber},
		{"byte order mark", "\ufeff{}", byteOrderMark},
		{"spans at the top", `{"spans":[]}`, lostJSON[requestJSON]["spans"]},
		{"an answer of Tempo", `{"trace":{"resourceSpans":[]}}`, lostJSON[requestJSON]["trace"]},
		{"keys in capitals", `{"resourceSpans":[{"ScopeSpans":[]}]}`, lostJSON[resourceSpansJSON]["ScopeSpans"]},
		{"spans in capitals", `{"resourceSpans":[{"scopeSpans":[{"Spans":[]}]}]}`, lostJSON[scopeSpansJSON]["Spans"]},
		{"enum name", jsonSpan(`,"kind":"SPAN_KIND_SERVER"`), enumText},
		{"enum as string of an integer", jsonSpan(`,"kind":"2"`), enumText},
		{"enum beyond 32 bits", jsonSpan(`,"kind":2147483648`), badNumber},
		{"status code name", jsonSpan(`,"status":{"code":"STATUS_CODE_OK"}`), enumText},
		{"bool as string", attr(`{"boolValue":"true"}`), wrongJSONType},
		{"bool as number", attr(`{"boolValue":1}`), wrongJSONType},
		{"string as number", attr(`{"stringValue":1}`), wrongJSONType},
		{"string as array", jsonSpan(`,"name":["n"]`), wrongJSONType},
		{"object as array", `{"resourceSpans":[[]]}`, wrongJSONType},
		{"array as object", `{"resourceSpans":{}}`, wrongJSONType},
		{"value as string", attr(`"v"`), wrongJSONType},
		{"status as number", jsonSpan(`,"status":2`), wrongJSONType},
		{"base64 trace id", `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"AQIDBAUGBwgJCgsMDQ4PEA=="}]}]}]}`, badHex},
		{"base64 span id", jsonSpan(`,"spanId":"AQIDBAUGBwg="`), badHex},
		{"base64 id of a link", jsonSpan(`,"links":[{"spanId":"AQIDBAUGBwg="}]`), badHex},
		{"bad hex", jsonSpan(`,"traceId":"0101010101010101010101010101010g"`), badHex},
		{"bad hex of the wrong length", jsonSpan(`,"parentSpanId":"0x01"`), badHex},
		{"quoted quotes", jsonSpan(`,"parentSpanId":"\"0101010101010101\""`), badHex},
		{"entities that are strings", `{"resourceSpans":[{"resource":{"entityRefs":["host"]}}]}`, wrongJSONType},
		{"keys of an entity that are objects", `{"resourceSpans":[{"resource":{"entityRefs":[{"idKeys":[{}]}]}}]}`, wrongJSONType},
		{"keys of an entity that are a string", `{"resourceSpans":[{"resource":{"entityRefs":[{"idKeys":"id"}]}}]}`, wrongJSONType},
		{"id as number", jsonSpan(`,"parentSpanId":1`), wrongJSONType},
		{"bad base64", attr(`{"bytesValue":"*"}`), badBase64},
		{"base64 of both alphabets", attr(`{"bytesValue":"-/8="}`), badBase64},
		{"base64 with a line break", attr(`{"bytesValue":"+/\n8="}`), badBase64},
		{"base64 with the wrong padding", attr(`{"bytesValue":"+/8=="}`), badBase64},
		{"base64 of one character", attr(`{"bytesValue":"A"}`), badBase64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l Limits
			out, err := l.FromJSON(nil, []byte(tt.body))
			checkProblem(t, err, ErrMalformed, tt.want, len(tt.body))
			if out != nil {
				t.Errorf("got %x", out)
			}
		})
	}
	t.Run("cut anywhere", func(t *testing.T) {
		body := []byte(attr(`{"kvlistValue":{"values":[{"key":"\u0041","value":{"doubleValue":-1.5e+3}},{"value":{"boolValue":true}}]}}`))
		var l Limits
		for n := range len(body) {
			if _, err := l.FromJSON(nil, body[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%s: got %v", body[:n], err)
			}
		}
		if _, err := l.FromJSON(nil, body); err != nil {
			t.Fatal(err)
		}
	})
}

// jsonNested is an AnyValue with depth arrays around an empty one.
func jsonNested(depth int) string {
	return strings.Repeat(`{"arrayValue":{"values":[`, depth) + `{}` + strings.Repeat(`]}}`, depth)
}

func TestFromJSONDepth(t *testing.T) {
	shapes := map[string]struct {
		build   func(depth int) string
		what    problem
		most    int // by default
		ofEight int // with MaxDepth 8
	}{
		"arrays": {func(d int) string {
			return jsonSpan(`,"attributes":[{"key":"k","value":` + jsonNested(d) + `}]`)
		}, nestedValues, 49, 3},
		"lists": {func(d int) string {
			return jsonSpan(`,"attributes":[{"key":"k","value":` + strings.Repeat(`{"kvlistValue":{"values":[{"value":`, d) + `{}` + strings.Repeat(`}]}}`, d) + `}]`)
		}, nestedValues, 32, 2},
		"arrays of an unknown key":  {func(d int) string { return `{"a":` + strings.Repeat(`[`, d) + strings.Repeat(`]`, d) + `}` }, nestedJSON, 100, 8},
		"objects of an unknown key": {func(d int) string { return `{"a":` + strings.Repeat(`{"b":`, d) + `1` + strings.Repeat(`}`, d) + `}` }, nestedJSON, 100, 8},
		"unknown key in a span":     {func(d int) string { return jsonSpan(`,"a":` + strings.Repeat(`[`, d) + strings.Repeat(`]`, d)) }, nestedJSON, 100, 8},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			var l Limits
			for depth, refused := range map[int]bool{1: false, shape.most: false, shape.most + 1: true, 1_000_000: true} {
				body := []byte(shape.build(depth))
				out, err := l.FromJSON(nil, body)
				want := shape.what
				if !refused {
					want = ""
					walk(t, out)
				}
				checkProblem(t, err, ErrTooDeep, want, len(body))
			}
			l.MaxDepth = 8
			if _, err := l.FromJSON(nil, []byte(shape.build(shape.ofEight))); err != nil {
				t.Error(err)
			}
			_, err := l.FromJSON(nil, []byte(shape.build(shape.ofEight+1)))
			checkProblem(t, err, ErrTooDeep, shape.what, 1<<20)
		})
	}
	t.Run("arrays of an unknown key like an AnyValue", func(t *testing.T) {
		var l Limits
		_, err := l.FromJSON(nil, []byte(`{"a":`+jsonNested(101)+`}`))
		checkProblem(t, err, ErrTooDeep, nestedJSON, 1<<20)
	})
}

// TestFromJSONLengths writes what makes lengths take one more byte.
func TestFromJSONLengths(t *testing.T) {
	var l Limits
	for _, around := range []int{0, 0x80, 0x4000} {
		for size := max(around-60, 0); size < around+20; size++ {
			name := strings.Repeat("n", size)
			out, err := l.FromJSON(nil, []byte(jsonSpan(`,"name":"`+name+`"`)))
			if want := request(span(ids(1), text(5, name))); err != nil || !bytes.Equal(out, want) {
				t.Fatalf("%d bytes: got %x, %v\nwant %x", size, out, err, want)
			}
		}
	}
}

// TestFromJSONDeepLengths decodes what is nested deeper than lengths are moved for.
func TestFromJSONDeepLengths(t *testing.T) {
	var l Limits
	for _, depth := range []int{deep/arrayDepth - 1, deep / arrayDepth, deep/arrayDepth + 1, 49} {
		inner := strings.Repeat("x", 1000)
		body := jsonSpan(`,"attributes":[{"key":"k","value":` + strings.Replace(jsonNested(depth), `{}`, `{"stringValue":"`+inner+`"}`, 1) + `}]`)
		out, err := l.FromJSON(nil, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		walk(t, out)
		rest := out
		path := []protowire.Number{1, 2, 2, 9, 2}
		for range depth {
			path = append(path, 5, 1)
		}
		for _, number := range append(path, 1) {
			rest = lastField(t, rest, number)
		}
		if string(rest) != inner {
			t.Errorf("depth %d: got %q", depth, rest)
		}
	}
}

// lastField is the content of the last field, which must have this number.
func lastField(t *testing.T, b []byte, number protowire.Number) []byte {
	t.Helper()
	var content []byte
	for len(b) > 0 {
		n, w, size := protowire.ConsumeTag(b)
		if size < 0 || w != protowire.BytesType {
			t.Fatalf("no field at %x", b)
		}
		v, vsize := protowire.ConsumeBytes(b[size:])
		if vsize < 0 {
			t.Fatalf("no bytes at %x", b)
		}
		if b = b[size+vsize:]; len(b) == 0 && n == number {
			content = v
		}
	}
	if content == nil {
		t.Fatalf("field %d is not the last", number)
	}
	return content
}

func TestFromJSONTooMany(t *testing.T) {
	const limit = 10
	l := Limits{MaxSpans: limit, MaxAttributes: limit}
	list := func(n int, element string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	tests := []struct {
		name  string
		build func(n int) string
		want  problem
	}{
		{"resource spans", func(n int) string { return `{"resourceSpans":` + list(n, `{}`) + `}` }, manyContainers},
		{"scope spans", func(n int) string { return `{"resourceSpans":[{"scopeSpans":` + list(n, `{}`) + `}]}` }, manyContainers},
		{"spans", func(n int) string { return `{"resourceSpans":[{"scopeSpans":[{"spans":` + list(n, `{}`) + `}]}]}` }, manySpans},
		{"nulls", func(n int) string { return `{"resourceSpans":[{"scopeSpans":[{"spans":` + list(n, `null`) + `}]}]}` }, manySpans},
		{"attributes", func(n int) string { return jsonSpan(`,"attributes":` + list(n, `{}`)) }, manyAttributes},
		{"events", func(n int) string { return jsonSpan(`,"events":` + list(n, `{}`)) }, manyAttributes},
		{"links", func(n int) string { return jsonSpan(`,"links":` + list(n, `{}`)) }, manyAttributes},
		{"elements", func(n int) string {
			return jsonSpan(`,"attributes":[{"value":{"arrayValue":{"values":` + list(n-1, `{}`) + `}}}]`)
		}, manyAttributes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := l.FromJSON(nil, []byte(tt.build(limit)))
			checkProblem(t, err, ErrTooMany, "", 0)
			if _, err := l.Walk(out, func(*Span) {}); err != nil {
				t.Errorf("what FromJSON accepts, Filter refuses: %v", err)
			}
			_, err = l.FromJSON(nil, []byte(tt.build(limit+1)))
			checkProblem(t, err, ErrTooMany, tt.want, 10_000)
		})
	}
}

func ExampleLimits_FromJSON() {
	var l Limits
	_, err := l.FromJSON(nil, []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SPAN_KIND_SERVER"}]}]}]}`))
	fmt.Println(errors.Is(err, ErrMalformed))
	fmt.Println(strings.ReplaceAll(err.Error(), ", ", ",\n"))
	// Output:
	// true
	// malformed request: kind or code as a text,
	// of which OTLP's JSON takes the number,
	// at byte 51
}
