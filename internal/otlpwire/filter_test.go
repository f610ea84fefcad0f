package otlpwire

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

var (
	keep = Verdict{Keep: true}
	drop = Verdict{}
)

func rewriteTo(state string) Verdict {
	return Verdict{Keep: true, Rewrite: true, TraceState: []byte(state)}
}

func TestFilterSplices(t *testing.T) {
	s := func(n byte, fields ...[]byte) []byte { return span(append([][]byte{ids(n)}, fields...)...) }
	unknown := bytes.Join([][]byte{varint(99, 5), text(98, "\xff"), group(97, fixed32(1, 2)), fixed64(96, 3)}, nil)
	longName := text(5, strings.Repeat("n", 200))
	// A name whose tag and length take more bytes than they need: still the sender's bytes.
	padded := []byte{0xaa, 0x80, 0x00, 0x82, 0x00, 'h', 'i'}
	tests := []struct {
		name     string
		body     []byte
		verdicts map[byte]Verdict
		want     []byte
	}{
		{"nothing", nil, nil, nil},
		{"no spans", resourceSpans(resource("shop"), scopeSpans()), nil, resourceSpans(resource("shop"), scopeSpans())},
		{"keep all", request(s(1), s(2)), map[byte]Verdict{1: keep, 2: keep}, request(s(1), s(2))},
		{"drop all", request(s(1), s(2)), nil, nil},
		{"drop the first", request(s(1), s(2)), map[byte]Verdict{2: keep}, request(s(2))},
		{"drop the last", request(s(1), s(2)), map[byte]Verdict{1: keep}, request(s(1))},
		{"drop the middle", request(s(1), s(2), s(3)), map[byte]Verdict{1: keep, 3: keep}, request(s(1), s(3))},
		{
			"a length shrinks to fewer bytes", request(s(1), s(2, longName)), map[byte]Verdict{1: keep},
			request(s(1)),
		},
		{
			"a length grows to more bytes",
			request(s(1, text(5, strings.Repeat("n", 80)))), map[byte]Verdict{1: rewriteTo("ot=th:8")},
			request(s(1, text(5, strings.Repeat("n", 80)), text(3, "ot=th:8"))),
		},
		{
			"what surrounds the spans stays, in place and unknown",
			resourceSpans(unknown, resource("shop"), scopeSpans(unknown, s(1), unknown, s(2), message(1, text(1, "scope")), unknown), unknown, text(3, "url")),
			map[byte]Verdict{2: keep},
			resourceSpans(unknown, resource("shop"), scopeSpans(unknown, unknown, s(2), message(1, text(1, "scope")), unknown), unknown, text(3, "url")),
		},
		{
			"scope spans that lost all go, empty ones stay",
			resourceSpans(scopeSpans(s(1)), scopeSpans(message(1, text(1, "empty"))), scopeSpans(s(2)), resource("shop")),
			map[byte]Verdict{2: keep},
			resourceSpans(scopeSpans(message(1, text(1, "empty"))), scopeSpans(s(2)), resource("shop")),
		},
		{
			"resource spans that lost all go, with their empty scopes",
			bytes.Join([][]byte{resourceSpans(resource("a"), scopeSpans(s(1)), scopeSpans()), unknown, resourceSpans(), request(s(2))}, nil),
			map[byte]Verdict{2: keep},
			bytes.Join([][]byte{unknown, resourceSpans(), request(s(2))}, nil),
		},
		{
			"unchanged neighbours are copied as they are",
			bytes.Join([][]byte{request(s(1, padded)), request(s(2), s(3)), request(s(4, padded))}, nil),
			map[byte]Verdict{1: keep, 3: keep, 4: keep},
			bytes.Join([][]byte{request(s(1, padded)), request(s(3)), request(s(4, padded))}, nil),
		},
		{
			"the deprecated scope spans are renamed",
			resourceSpans(message(1000, s(1), s(2)), resource("shop")), map[byte]Verdict{1: keep, 2: keep},
			resourceSpans(scopeSpans(s(1), s(2)), resource("shop")),
		},
		{
			"the deprecated scope spans beside others, and filtered",
			resourceSpans(message(1000, s(1), s(2)), scopeSpans(s(3))), map[byte]Verdict{1: keep, 3: keep},
			resourceSpans(scopeSpans(s(1)), scopeSpans(s(3))),
		},

		{
			"rewrite in place", request(s(1, text(5, "a"), text(3, "old=1"), unknown, text(5, "b")), s(2)),
			map[byte]Verdict{1: rewriteTo("ot=th:8"), 2: keep},
			request(s(1, text(5, "a"), text(3, "ot=th:8"), unknown, text(5, "b")), s(2)),
		},
		{
			"rewrite appends where there was none", request(s(1, unknown, padded), s(2)),
			map[byte]Verdict{1: rewriteTo("ot=th:8"), 2: keep},
			request(s(1, unknown, padded, text(3, "ot=th:8")), s(2)),
		},
		{
			"rewrite removes", request(s(1, text(3, "old=1"), unknown)), map[byte]Verdict{1: rewriteTo("")},
			request(s(1, unknown)),
		},
		{
			"rewrite removes nothing where there was none", request(s(1, unknown)), map[byte]Verdict{1: rewriteTo("")},
			request(s(1, unknown)),
		},
		{
			"rewrite one of several, in the place of the last",
			request(s(1, text(3, "a=1"), text(5, "n"), text(3, "a=2"), unknown)), map[byte]Verdict{1: rewriteTo("b=3")},
			request(s(1, text(5, "n"), text(3, "b=3"), unknown)),
		},
		{
			"rewrite several to what the last is", request(s(1, text(3, "a=1"), text(3, "a=2"))), map[byte]Verdict{1: rewriteTo("a=2")},
			request(s(1, text(3, "a=2"))),
		},
		{
			"rewrite removes several", request(s(1, text(3, "a=1"), text(5, "n"), text(3, "a=2"))), map[byte]Verdict{1: rewriteTo("")},
			request(s(1, text(5, "n"))),
		},
		{
			"rewrite a tracestate whose tag and length are padded",
			request(s(1, []byte{0x9a, 0x80, 0x00, 0x83, 0x00, 'a', '=', '1'}, longName)), map[byte]Verdict{1: rewriteTo("b=2")},
			request(s(1, text(3, "b=2"), longName)),
		},
		{
			"rewrite to more than 127 bytes", request(s(1, text(3, "a=1")), s(2)),
			map[byte]Verdict{1: rewriteTo("a=" + strings.Repeat("x", 300)), 2: keep},
			request(s(1, text(3, "a="+strings.Repeat("x", 300))), s(2)),
		},
		{
			"rewrite without keep drops", request(s(1, text(3, "a=1")), s(2)),
			map[byte]Verdict{1: {Rewrite: true, TraceState: []byte("b=2")}, 2: keep},
			request(s(2)),
		},
		{
			"drop, rewrite, keep, drop across scopes",
			append(resourceSpans(scopeSpans(s(1), s(2, text(3, "a=1")), s(3)), scopeSpans(s(4))), resourceSpans(resource("x"), scopeSpans(s(5), s(6)))...),
			map[byte]Verdict{1: drop, 2: rewriteTo("b=2"), 3: keep, 4: drop, 5: keep, 6: drop},
			append(resourceSpans(scopeSpans(s(2, text(3, "b=2")), s(3))), resourceSpans(resource("x"), scopeSpans(s(5)))...),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, n := filter(t, tt.body, tt.verdicts)
			if !bytes.Equal(out, tt.want) {
				t.Errorf("got  %x\nwant %x", out, tt.want)
			}
			if n.Unchanged != bytes.Equal(tt.body, tt.want) {
				t.Errorf("unchanged is %v", n.Unchanged)
			}
			// Appending to something gives the same behind it.
			var l Limits
			out, _, err := l.Filter([]byte("before"), tt.body, func(sp *Span) Verdict { return tt.verdicts[sp.TraceID[0]] })
			if err != nil || !bytes.Equal(out, append([]byte("before"), tt.want...)) {
				t.Errorf("appended: got %x, %v", out, err)
			}
			if again, n := filter(t, tt.want, map[byte]Verdict{1: keep, 2: keep, 3: keep, 4: keep, 5: keep, 6: keep}); !n.Unchanged || !bytes.Equal(again, tt.want) {
				t.Errorf("keeping all of the result changes it: %+v", n)
			}
		})
	}
}

func TestFilterUnchangedIsTheBodyItself(t *testing.T) {
	body := request(span(ids(1), text(3, "a=1")))
	var l Limits
	dst := make([]byte, 0, 1000)
	for name, v := range map[string]Verdict{"kept": keep, "rewritten to the same": rewriteTo("a=1")} {
		out, n, err := l.Filter(dst, body, func(*Span) Verdict { return v })
		if err != nil || !n.Unchanged || &out[0] != &body[0] {
			t.Errorf("%s: got %+v, %v", name, n, err)
		}
	}
	out, n, err := l.Filter(append(dst, 'x'), body, func(*Span) Verdict { return keep })
	if err != nil || n.Unchanged || string(out) != "x"+string(body) {
		t.Errorf("behind other bytes: got %x, %+v, %v", out, n, err)
	}
}

// TestFilterCopiesTheTraceStateAtOnce lets one buffer serve all verdicts, as a
// sampler does.
func TestFilterCopiesTheTraceStateAtOnce(t *testing.T) {
	body := request(span(ids(1)), span(ids(2)))
	var l Limits
	buf := []byte("a=?")
	out, _, err := l.Filter(nil, body, func(sp *Span) Verdict {
		buf[2] = '0' + sp.TraceID[0]
		return Verdict{Keep: true, Rewrite: true, TraceState: buf}
	})
	if want := request(span(ids(1), text(3, "a=1")), span(ids(2), text(3, "a=2"))); err != nil || !bytes.Equal(out, want) {
		t.Errorf("got %x, %v\nwant %x", out, err, want)
	}
}

// TestFilterLengths rewrites to what makes lengths take one more byte.
func TestFilterLengths(t *testing.T) {
	for _, around := range []int{0, 0x80, 0x4000} {
		for size := max(around-60, 1); size < around+20; size++ {
			state := strings.Repeat("s", size)
			for _, old := range [][]byte{nil, text(3, "a=1"), append(text(3, "a=1"), text(3, "b=2")...)} {
				out, _ := filter(t, request(span(ids(1), old)), map[byte]Verdict{1: rewriteTo(state)})
				if want := request(span(ids(1), text(3, state))); !bytes.Equal(out, want) {
					t.Fatalf("%d bytes instead of %x: got %x\nwant %x", size, old, out, want)
				}
			}
		}
	}
}

func TestVisitorCannotGrowIntoTheRequest(t *testing.T) {
	body := resourceSpans(resource("shop"), scopeSpans(span(ids(1), text(3, "a=1"), text(4, "parent01"), text(5, "name"), text(99, "what stands behind all of them"))))
	before := slices.Clone(body)
	var l Limits
	_, err := l.Walk(body, func(sp *Span) {
		for _, b := range [][]byte{sp.TraceID, sp.SpanID, sp.ParentSpanID, sp.TraceState, sp.Name, sp.Service} {
			if b == nil {
				t.Error("a field is missing")
			}
			_ = append(b, "overwritten"...)
		}
	})
	if err != nil || !bytes.Equal(before, body) {
		t.Errorf("the request was written to, %v", err)
	}
}

func TestWalkSeesInvalidSpans(t *testing.T) {
	body := request(span(ids(1)), span(), span(ids(3), text(5, "\xff")))
	var invalid []Invalid
	var l Limits
	n, err := l.Walk(body, func(sp *Span) { invalid = append(invalid, sp.Invalid) })
	if err != nil || !slices.Equal(invalid, []Invalid{0, InvalidTraceID, InvalidText}) {
		t.Errorf("got %v, %v", invalid, err)
	}
	if want := (Counts{Spans: 3, Kept: 1, Invalid: 2, FirstInvalid: InvalidTraceID, FirstInvalidIndex: 1}); n != want {
		t.Errorf("got %+v, want %+v", n, want)
	}
}

// TestScannerIsReusable runs requests that fail in the middle of everything
// before one whose result shows what was left over.
func TestScannerIsReusable(t *testing.T) {
	bad := resourceSpans(resource("old"), scopeSpans(span(ids(9), text(3, "x"), attribute(9, "sampling.priority", varint(3, 1)), text(5, "\xff"), message(13, text(1, "x"))), span(ids(1), []byte{7})))
	good := request(span(ids(1)), span(ids(2)))
	var l Limits
	for range 100 {
		if _, _, err := l.Filter(nil, bad, func(*Span) Verdict { return drop }); err == nil {
			t.Fatal("accepted")
		}
		out, n := filter(t, good, map[byte]Verdict{2: keep})
		if !bytes.Equal(out, request(span(ids(2)))) || n != (Counts{Spans: 2, Kept: 1, Dropped: 1}) {
			t.Fatalf("got %x, %+v", out, n)
		}
		if got := walk(t, good)[0]; got.HasService || got.HasPriority || got.Invalid != 0 {
			t.Fatalf("got %+v", got)
		}
	}
}
