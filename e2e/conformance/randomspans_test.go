package main

import (
	"math/rand/v2"

	"appliance/internal/block/blocktest"
)

// randomBase is when random spans begin, Unix seconds: a whole hour.
const randomBase = 1795878000

// randomRange is within how many seconds they all are.
const randomRange = 3000

// spanMaker makes traces whose keys and values are few, so that random queries
// find something of most of them.
//
// What a stock Tempo does not answer right itself is left out: spans that end
// before they start, and values beyond what it stores. The conformance dataset
// has these.
type spanMaker struct{ *rand.Rand }

func (m spanMaker) one(n int) bool { return m.IntN(n) == 0 }

func (m spanMaker) pick(choices ...string) string { return choices[m.IntN(len(choices))] }

// traces makes export requests, one a trace.
func (m spanMaker) traces(n int) [][]byte {
	var records [][]byte
	for i := range n {
		records = append(records, blocktest.Append(nil, m.trace(i)...))
	}
	return records
}

// trace makes a tree of spans: mostly one with a root, some without any, with
// several, or with spans whose parent is missing.
func (m spanMaker) trace(n int) []blocktest.ResourceSpans {
	id := []byte{0xab, 15: byte(n)}
	id[14], id[7] = byte(n>>8), byte(m.IntN(256))
	start := uint64(randomBase+m.IntN(randomRange-60)) * 1e9
	size := 1 + m.IntN(12)
	if m.one(10) {
		size = 20 + m.IntN(30)
	}
	var resources []blocktest.Resource
	for range 1 + m.IntN(3) {
		resources = append(resources, m.resource())
	}
	ids := make([][]byte, size)
	for i := range ids {
		ids[i] = []byte{0xcd, 0, 0, 0, 0, byte(n >> 8), byte(n), byte(i + 1)}
	}
	rootless := m.one(12)
	var out []blocktest.ResourceSpans
	for i := range size {
		s := m.span(start)
		s.TraceID, s.SpanID = id, ids[i]
		switch {
		case i == 0 && !rootless, m.one(40):
		case m.one(20):
			s.Parent = []byte{0xee, 7: byte(i)}
		default:
			s.Parent = ids[m.IntN(max(1, i))]
			if i == 0 {
				s.Parent = ids[size-1]
			}
		}
		if i > 0 && m.one(25) { // as Zipkin's: client and server share an id
			s.SpanID, s.Kind = ids[i-1], 2
		}
		out = append(out, blocktest.ResourceSpans{
			Resource: resources[m.IntN(len(resources))],
			Scopes:   []blocktest.ScopeSpans{{Scope: m.scope(), Spans: []blocktest.Span{s}}},
		})
	}
	return out
}

func (m spanMaker) resource() blocktest.Resource {
	var attrs []blocktest.Attr
	add := func(chance int, key string, value any) {
		if m.IntN(10) < chance {
			attrs = append(attrs, blocktest.Attr{Key: key, Value: value})
		}
	}
	add(9, "service.name", m.pick("cart", "shop", "pay", "a.b"))
	add(3, "cluster", m.pick("c1", "c2"))
	add(3, "namespace", m.pick("n1", "n2"))
	add(3, "k8s.pod.name", m.pick("p1", "p2"))
	add(5, "region", m.pick("eu", "us", ""))
	add(3, "s", m.text())
	add(3, "n", m.number())
	add(2, "mix", m.mixed())
	add(2, "b", m.one(2))
	return blocktest.Resource{Attrs: attrs}
}

func (m spanMaker) scope() blocktest.Scope {
	s := blocktest.Scope{Name: m.pick("", "lib", "http"), Version: m.pick("", "1", "1.2")}
	if m.one(3) {
		s.Attrs = append(s.Attrs, blocktest.Attr{Key: "is", Value: m.text()})
	}
	if m.one(4) {
		s.Attrs = append(s.Attrs, blocktest.Attr{Key: "in", Value: m.number()})
	}
	return s
}

func (m spanMaker) text() string { return m.pick("x", "y", "xy", "GET", "404", "", "ä b") }

func (m spanMaker) number() int64 { return int64(m.IntN(6) + 1) }

func (m spanMaker) float() float64 { return []float64{0.5, 1, 2.5, 404, -1.25, 0}[m.IntN(6)] }

func (m spanMaker) mixed() any {
	switch m.IntN(4) {
	case 0:
		return m.number()
	case 1:
		return m.float()
	case 2:
		return m.one(2)
	}
	return m.text()
}

func (m spanMaker) span(start uint64) blocktest.Span {
	s := blocktest.Span{
		Name: m.pick("get", "put", "GET /x", "", "send"), Kind: int32(m.IntN(6)),
		Start: start + m.Uint64N(30e9), Status: int32(m.IntN(3)),
	}
	s.End = s.Start + m.Uint64N(8)*5e6 + m.Uint64N(3)*1e9
	if s.Status == 2 && m.one(2) {
		s.Message = m.pick("bad", "x")
	}
	add := func(chance int, key string, value any) {
		if m.IntN(10) < chance {
			s.Attrs = append(s.Attrs, blocktest.Attr{Key: key, Value: value})
		}
	}
	add(4, "s", m.text())
	add(5, "n", m.number())
	add(3, "f", m.float())
	add(3, "b", m.one(2))
	add(4, "mix", m.mixed())
	add(2, "list", []any{m.text(), m.text()})
	add(3, "http.method", m.pick("GET", "POST"))
	add(3, "http.status_code", []int64{200, 404, 500}[m.IntN(3)])
	add(2, "http.url", m.pick("/a", "/b"))
	add(2, "db rows", m.number())
	add(1, "service.name", m.pick("cart", "own"))
	add(1, "name", m.text())
	for range m.IntN(3) {
		e := blocktest.Event{Time: s.Start + m.Uint64N(5)*1e6, Name: m.pick("", "exception", "log")}
		if m.one(2) {
			e.Attrs = append(e.Attrs, blocktest.Attr{Key: "es", Value: m.text()})
		}
		if m.one(2) {
			e.Attrs = append(e.Attrs, blocktest.Attr{Key: "en", Value: m.number()})
		}
		s.Events = append(s.Events, e)
	}
	if m.one(4) {
		l := blocktest.Link{TraceID: []byte{0xab, 15: byte(m.IntN(4))}, SpanID: []byte{0xcd, 7: byte(1 + m.IntN(4))}}
		if m.one(2) {
			l.Attrs = append(l.Attrs, blocktest.Attr{Key: "ls", Value: m.text()})
		}
		s.Links = append(s.Links, l)
	}
	return s
}
