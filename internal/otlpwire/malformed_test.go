package otlpwire

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// places puts a field into every message of a request.
var places = map[string]func(field []byte) []byte{
	"request":       func(f []byte) []byte { return append(request(span(ids(1))), f...) },
	"ResourceSpans": func(f []byte) []byte { return resourceSpans(scopeSpans(span(ids(1))), f) },
	"Resource":      func(f []byte) []byte { return resourceSpans(message(1, f), scopeSpans(span(ids(1)))) },
	"EntityRef":     func(f []byte) []byte { return resourceSpans(message(1, message(3, f)), scopeSpans(span(ids(1)))) },
	"ScopeSpans":    func(f []byte) []byte { return request(span(ids(1)), f) },
	"Scope":         func(f []byte) []byte { return request(message(1, f), span(ids(1))) },
	"Span":          func(f []byte) []byte { return request(span(ids(1), f)) },
	"Event":         func(f []byte) []byte { return request(span(ids(1), message(11, f))) },
	"Link":          func(f []byte) []byte { return request(span(ids(1), message(13, f))) },
	"Status":        func(f []byte) []byte { return request(span(ids(1), message(15, f))) },
	"KeyValue":      func(f []byte) []byte { return request(span(ids(1), message(9, f))) },
	"AnyValue":      func(f []byte) []byte { return request(span(ids(1), attribute(9, "k", f))) },
	"ArrayValue":    func(f []byte) []byte { return request(span(ids(1), attribute(9, "k", message(5, f)))) },
	"KeyValueList":  func(f []byte) []byte { return request(span(ids(1), attribute(9, "k", message(6, f)))) },
}

func TestMalformedAnywhere(t *testing.T) {
	tenBytes := append(bytes.Repeat([]byte{0x80}, 9), 1)
	tag := func(n protowire.Number, w protowire.Type, rest ...byte) []byte {
		return append(protowire.AppendTag(nil, n, w), rest...)
	}
	tests := []struct {
		name  string
		field []byte
		want  problem
	}{
		{"field number 0", []byte{0x00, 0x00}, fieldZero},
		{"field number 0 with a length", []byte{0x02, 0x00}, fieldZero},
		{"field number 0, in two bytes", []byte{0x82, 0x00, 0x00}, fieldZero},
		{"field number of 2^29", append(protowire.AppendVarint(nil, 1<<32), 0), fieldTooBig},
		{"tag that becomes field 1 in 32 bits", append(protowire.AppendVarint(nil, 1<<35|1<<3|2), 0), fieldTooBig},
		{"tag of 11 bytes", append(bytes.Repeat([]byte{0x80}, 10), 1), longVarint},
		{"tag cut off", []byte{0x80}, truncated},
		{"varint of 11 bytes", append(tag(99, 0), bytes.Repeat([]byte{0x80}, 11)...), longVarint},
		{"varint of 65 bits", append(tag(99, 0), append(bytes.Repeat([]byte{0xff}, 9), 2)...), longVarint},
		{"varint of 10 bytes and more to come", append(tag(99, 0), append(bytes.Repeat([]byte{0xff}, 9), 0x81)...), longVarint},
		{"varint cut off", tag(99, 0, 0x80), truncated},
		{"varint missing", tag(99, 0), truncated},
		{"fixed64 cut off", tag(99, 1, 1, 2, 3, 4, 5, 6, 7), truncated},
		{"fixed32 cut off", tag(99, 5, 1, 2, 3), truncated},
		{"length missing", tag(99, 2), truncated},
		{"length beyond the end", tag(99, 2, 0x7f), truncated},
		{"length of 2^31", append(tag(99, 2), protowire.AppendVarint(nil, 1<<31)...), truncated},
		{"length of 2^63", append(tag(99, 2), protowire.AppendVarint(nil, 1<<63)...), truncated},
		{"length of 2^64-1", append(tag(99, 2), protowire.AppendVarint(nil, math.MaxUint64)...), truncated},
		{"length of 11 bytes", append(tag(99, 2), bytes.Repeat([]byte{0x80}, 11)...), longVarint},
		{"wire type 6", tag(99, 6, 0), illegalType},
		{"wire type 7", tag(99, 7, 0), illegalType},
		{"end of group", tag(99, 4), strayEndGroup},
		{"group without end", tag(98, 3), truncated},
		{"group ended by another", append(tag(98, 3), tag(97, 4)...), crossedEndGroup},
		{"groups crossing", bytes.Join([][]byte{tag(98, 3), tag(97, 3), tag(98, 4), tag(97, 4)}, nil), crossedEndGroup},

		{"fine: varint of 10 bytes", append(tag(99, 0), tenBytes...), ""},
		{"fine: varint of 64 bits", varint(99, math.MaxUint64), ""},
		{"fine: length in 10 bytes", append(tag(99, 2), append(bytes.Repeat([]byte{0x80}, 9), 0)...), ""},
		{"fine: group", group(98, varint(1, 5), group(98, text(2, "x"))), ""},
		{"fine: groups after one another", bytes.Repeat(group(98, group(97)), 200), ""},
		{"fine: largest field number", varint(protowire.MaxValidNumber, 1), ""},
	}
	var l Limits
	for place, put := range places {
		for _, tt := range tests {
			t.Run(place+"/"+tt.name, func(t *testing.T) {
				body := put(tt.field)
				_, _, err := l.Filter(nil, body, func(*Span) Verdict { return Verdict{Keep: true} })
				checkProblem(t, err, ErrMalformed, tt.want, len(body))
				_, werr := l.Walk(body, func(*Span) {})
				checkProblem(t, werr, ErrMalformed, tt.want, len(body))
			})
		}
	}
}

// TestMalformedInGroup looks where pdata does not: at the fields inside an
// unknown group.
func TestMalformedInGroup(t *testing.T) {
	tests := []struct {
		name  string
		field []byte
		want  problem
	}{
		{"field number 0", []byte{0x00, 0x00}, fieldZero},
		{"field number of 2^29", append(protowire.AppendVarint(nil, 1<<32), 0), fieldTooBig},
		{"wire type 7", []byte{1<<3 | 7}, illegalType},
		{"length beyond the end", []byte{1<<3 | 2, 0x7f}, truncated},
		{"known fields mean nothing", fixed32(1, 1), ""},
	}
	var l Limits
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := request(span(ids(1), group(99, tt.field)))
			_, err := l.Walk(body, func(*Span) {})
			checkProblem(t, err, ErrMalformed, tt.want, len(body))
		})
	}
}

// checkProblem wants err to be a kind of error for a reason; none when reason is empty.
func checkProblem(t *testing.T, err, kind error, reason problem, size int) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var se *scanError
	if !errors.Is(err, kind) || !errors.As(err, &se) || se.what != reason {
		t.Fatalf("got error %v, want %v: %s", err, kind, reason)
	}
	if se.offset < 0 || se.offset > size {
		t.Errorf("offset %d is not in the request of %d bytes", se.offset, size)
	}
}

func TestWrongWireType(t *testing.T) {
	known := map[string][]protowire.Number{
		"request": {1}, "ResourceSpans": {1, 2, 3, 1000}, "Resource": {1, 2, 3}, "EntityRef": {1, 2, 3, 4}, "ScopeSpans": {1, 2, 3}, "Scope": {1, 2, 3, 4},
		"Span":  {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		"Event": {1, 2, 3, 4}, "Link": {1, 2, 3, 4, 5, 6}, "Status": {2, 3}, "KeyValue": {1, 2, 3},
		"AnyValue": {1, 2, 3, 4, 5, 6, 7, 8}, "ArrayValue": {1}, "KeyValueList": {1},
	}
	var l Limits
	for place, numbers := range known {
		for _, number := range numbers {
			accepted := 0
			for name, field := range map[string][]byte{
				"varint": varint(number, 1), "fixed64": fixed64(number, 1), "bytes": text(number, ""),
				"group": group(number), "fixed32": fixed32(number, 1),
			} {
				_, err := l.Walk(places[place](field), func(*Span) {})
				if err == nil {
					accepted++
					continue
				}
				checkProblem(t, err, ErrMalformed, wrongType, 1000)
				if t.Failed() {
					t.Fatalf("%s of field %d of %s", name, number, place)
				}
			}
			if accepted != 1 {
				t.Errorf("field %d of %s is accepted with %d wire types", number, place, accepted)
			}
		}
	}
}

func TestMalformedOffset(t *testing.T) {
	good := request(span(ids(1)))
	var l Limits
	_, _, err := l.Filter(nil, append(good, 0x00), func(*Span) Verdict { return Verdict{} })
	if want := "malformed request: field number 0 at byte 34"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestTruncatedAnywhere cuts a request that has everything after every byte.
func TestTruncatedAnywhere(t *testing.T) {
	body := benchRequest(t, 3)
	var l Limits
	for n := 1; n < len(body); n++ {
		if _, err := l.Walk(body[:n], func(*Span) {}); !errors.Is(err, ErrMalformed) {
			t.Fatalf("the first %d of %d bytes: got %v", n, len(body), err)
		}
	}
}

func TestDepth(t *testing.T) {
	lists := func(depth int) (value []byte) {
		for range depth {
			value = message(6, attribute(1, "k", value))
		}
		return value
	}
	groups := func(depth int) (b []byte) {
		for range depth {
			b = group(99, b)
		}
		return b
	}
	shapes := map[string]struct {
		build   func(depth int) []byte
		what    problem
		most    int // by default
		ofEight int // with MaxDepth 8
	}{
		"arrays":                {func(d int) []byte { return request(span(ids(1), attribute(9, "k", nested(d)))) }, nestedValues, 49, 3},
		"lists":                 {func(d int) []byte { return request(span(ids(1), attribute(9, "k", lists(d)))) }, nestedValues, 32, 2},
		"in a resource":         {func(d int) []byte { return resourceSpans(message(1, attribute(1, "k", nested(d)))) }, nestedValues, 49, 3},
		"in a scope":            {func(d int) []byte { return request(message(1, attribute(3, "k", nested(d)))) }, nestedValues, 49, 3},
		"in an event":           {func(d int) []byte { return request(span(message(11, attribute(3, "k", nested(d))))) }, nestedValues, 49, 3},
		"in a link":             {func(d int) []byte { return request(span(message(13, attribute(4, "k", nested(d))))) }, nestedValues, 49, 3},
		"groups in the request": {func(d int) []byte { return groups(d) }, nestedGroups, 100, 8},
		"groups in a span":      {func(d int) []byte { return request(span(ids(1), groups(d))) }, nestedGroups, 100, 8},
		"groups in a value":     {func(d int) []byte { return request(span(attribute(9, "k", message(5, message(1, groups(d)))))) }, nestedGroups, 100, 8},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			var l Limits
			for depth, refused := range map[int]bool{1: false, shape.most: false, shape.most + 1: true, 3_000: true} {
				body := shape.build(depth)
				_, err := l.Walk(body, func(*Span) {})
				want := shape.what
				if !refused {
					want = ""
				}
				checkProblem(t, err, ErrTooDeep, want, 1<<30)
				if _, perr := pdataDecodes(body); shape.what == nestedValues && (perr != nil) != refused {
					t.Errorf("%d deep: pdata says %v", depth, perr)
				}
			}
			l.MaxDepth = 8
			if _, err := l.Walk(shape.build(shape.ofEight), func(*Span) {}); err != nil {
				t.Error(err)
			}
			_, err := l.Walk(shape.build(shape.ofEight+1), func(*Span) {})
			checkProblem(t, err, ErrTooDeep, shape.what, 1<<30)
			if err != nil && !strings.Contains(err.Error(), "more than 8 "+string(shape.what)) {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestTooMany(t *testing.T) {
	const limit = 10
	repeat := func(n int, field []byte) []byte { return bytes.Repeat(field, n) }
	l := Limits{MaxSpans: limit, MaxAttributes: limit}
	tests := []struct {
		name  string
		build func(n int) []byte
		want  problem
	}{
		{"spans", func(n int) []byte { return request(repeat(n, span(ids(1)))) }, manySpans},
		{"empty spans", func(n int) []byte { return request(repeat(n, span())) }, manySpans},
		{"spans of several scopes", func(n int) []byte {
			return resourceSpans(scopeSpans(repeat(n-5, span())), scopeSpans(repeat(5, span())))
		}, manySpans},
		{"resource spans", func(n int) []byte { return repeat(n, resourceSpans()) }, manyContainers},
		{"scope spans", func(n int) []byte { return resourceSpans(repeat(n, scopeSpans())) }, manyContainers},
		{"attributes of a span", func(n int) []byte { return request(span(repeat(n, message(9)))) }, manyAttributes},
		{"attributes of several spans", func(n int) []byte {
			return request(span(repeat(n-5, message(9))), span(repeat(5, attribute(9, "k", text(1, "v")))))
		}, manyAttributes},
		{"attributes of a resource", func(n int) []byte { return resourceSpans(message(1, repeat(n, message(1)))) }, manyAttributes},
		{"attributes of a scope", func(n int) []byte { return request(message(1, repeat(n, message(3)))) }, manyAttributes},
		{"entity references", func(n int) []byte { return resourceSpans(message(1, repeat(n, message(3)))) }, manyAttributes},
		{"keys of an entity reference", func(n int) []byte {
			return resourceSpans(message(1, message(3, repeat(n-5, text(3, "")), repeat(4, text(4, "")))))
		}, manyAttributes},
		{"events", func(n int) []byte { return request(span(repeat(n, message(11)))) }, manyAttributes},
		{"links", func(n int) []byte { return request(span(repeat(n, message(13)))) }, manyAttributes},
		{"elements of an array", func(n int) []byte {
			return request(span(attribute(9, "k", message(5, repeat(n-1, message(1))))))
		}, manyAttributes},
		{"elements of a list", func(n int) []byte {
			return request(span(attribute(9, "k", message(6, repeat(n-1, message(1))))))
		}, manyAttributes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := l.Walk(tt.build(limit), func(*Span) {})
			checkProblem(t, err, ErrTooMany, "", 0)
			_, err = l.Walk(tt.build(limit+1), func(*Span) {})
			checkProblem(t, err, ErrTooMany, tt.want, 10_000)
		})
	}
}

// TestDefaultLimits fills 16 MiB with the smallest of everything: what is valid
// passes, what is empty is refused.
func TestDefaultLimits(t *testing.T) {
	const size = 16 << 20
	fill := func(field []byte) []byte { return bytes.Repeat(field, size/len(field)) }
	inSpan := func(field []byte) []byte { return request(span(ids(1), fill(field))) }
	tests := []struct {
		name string
		body []byte
		want problem
	}{
		{"smallest valid spans", request(fill(span(ids(1)))), ""},
		{"smallest attributes", inSpan(attribute(9, "k", varint(2, 1))), ""},
		{"arrays of doubles", inSpan(attribute(9, "k", message(5, message(1, fixed64(4, 1))))), ""},
		{"empty spans", request(fill(span())), manySpans},
		{"empty attributes", inSpan(message(9)), manyAttributes},
		{"empty events", inSpan(message(11)), manyAttributes},
		{"empty links", inSpan(message(13)), manyAttributes},
		{"empty resource spans", fill(resourceSpans()), manyContainers},
		{"empty scope spans", resourceSpans(fill(scopeSpans())), manyContainers},
		{"empty elements", request(span(ids(1), attribute(9, "k", message(5, fill(message(1)))))), manyAttributes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l Limits
			_, err := l.Walk(tt.body, func(*Span) {})
			checkProblem(t, err, ErrTooMany, tt.want, len(tt.body)+1000)
		})
	}
}
