package blocktest

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Random makes traces of everything that OTLP can say, in batches of a few
// spans, so that most traces lie in several batches. All strings are UTF-8.
func Random(seed uint64, traces int) []ResourceSpans {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 0x626c6f636b))}
	r.now = 1_795_878_000_000_000_000
	for range 1 + r.IntN(6) {
		r.resources = append(r.resources, r.resource())
		r.scopes = append(r.scopes, r.scope())
	}
	var spans []Span
	for range traces {
		spans = append(spans, r.trace()...)
	}
	// Spans of a trace stay in their order, but those of others come between.
	for i := range spans {
		j := min(len(spans)-1, i+r.IntN(20))
		if string(spans[i].TraceID) != string(spans[j].TraceID) {
			spans[i], spans[j] = spans[j], spans[i]
		}
	}
	return r.batches(spans)
}

// Records encodes batches, a few in a record.
func Records(seed uint64, batches []ResourceSpans) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var records [][]byte
	for len(batches) > 0 {
		n := min(len(batches), 1+r.IntN(4))
		records = append(records, Append(nil, batches[:n]...))
		batches = batches[n:]
	}
	return records
}

type random struct {
	*rand.Rand
	now       uint64
	resources []Resource
	scopes    []Scope
}

func (r *random) one(n int) bool { return r.IntN(n) == 0 }

func (r *random) batches(spans []Span) []ResourceSpans {
	var out []ResourceSpans
	for len(spans) > 0 {
		rs := ResourceSpans{Resource: r.resources[r.IntN(len(r.resources))]}
		if r.one(20) {
			rs.Resource = r.resource()
		}
		for range 1 + r.IntN(2) {
			ss := ScopeSpans{Scope: r.scopes[r.IntN(len(r.scopes))]}
			n := min(len(spans), r.IntN(6))
			ss.Spans, spans = spans[:n], spans[n:]
			rs.Scopes = append(rs.Scopes, ss)
		}
		out = append(out, rs)
	}
	return out
}

func (r *random) resource() Resource {
	res := Resource{Attrs: r.attrs(4)}
	switch r.IntN(8) {
	case 0: // without a name
	case 1:
		res.Attrs = append(res.Attrs, Attr{"service.name", r.value(1)})
	case 2:
		res.Attrs = append(res.Attrs, Attr{"service.name", "first"}, Attr{"service.name", "last"})
	case 3:
		res.Attrs = append(res.Attrs, Attr{"service.name", ""})
	default:
		res.Attrs = append(res.Attrs, Attr{"service.name", fmt.Sprintf("service-%d", r.IntN(5))})
	}
	for _, key := range []string{
		"cluster", "namespace", "pod", "container",
		"k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name", "k8s.container.name",
	} {
		switch r.IntN(6) {
		case 0:
			res.Attrs = append(res.Attrs, Attr{key, r.text()})
		case 1:
			res.Attrs = append(res.Attrs, Attr{key, r.value(1)})
		}
	}
	if r.one(5) {
		res.Dropped = r.Uint32()
	}
	if r.one(5) {
		res.Schema = "https://opentelemetry.io/schemas/1.26.0"
	}
	return res
}

func (r *random) scope() Scope {
	s := Scope{}
	if !r.one(3) {
		s = Scope{Name: fmt.Sprintf("library-%d", r.IntN(3)), Version: r.text(), Attrs: r.attrs(2)}
	}
	if r.one(6) {
		s.Dropped = r.Uint32()
	}
	if r.one(6) {
		s.Schema = "https://opentelemetry.io/schemas/1.27.0"
	}
	return s
}

// trace makes a trace: a tree most of the time, and otherwise with orphans,
// circles, several roots, shared identifiers or copies.
func (r *random) trace() []Span {
	id := r.bytes(16)
	switch r.IntN(12) {
	case 0: // of 64 bits
		clear(id[:8])
	case 1:
		clear(id[:15])
	case 2: // beside another
		copy(id, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	}
	n := 1 + r.IntN(12)
	if r.one(20) {
		n += r.IntN(200)
	}
	spans := make([]Span, 0, n)
	for i := range n {
		s := r.span(id)
		if i > 0 && !r.one(8) {
			s.Parent = spans[r.IntN(i)].SpanID
		} else if r.one(3) {
			s.Parent = r.bytes(8) // an orphan
		}
		if i > 0 && r.one(15) { // as Zipkin's client and server
			s.SpanID = spans[r.IntN(i)].SpanID
			s.Kind = 2 + int32(r.IntN(2))
		}
		spans = append(spans, s)
		if r.one(15) {
			spans = append(spans, s) // sent twice
		}
	}
	if r.one(10) { // a circle
		last := len(spans) - 1
		spans[0].Parent = spans[last].SpanID
		spans[last].Parent = spans[0].SpanID
	}
	return spans
}

func (r *random) span(traceID []byte) Span {
	s := Span{
		TraceID: traceID, SpanID: r.bytes(8), Name: r.text(), Kind: int32(r.IntN(6)),
		Start: r.now + r.Uint64N(60e9), Attrs: r.spanAttrs(),
	}
	s.End = s.Start + r.Uint64N(1e9)
	switch r.IntN(15) {
	case 0:
		s.End = s.Start - r.Uint64N(1e9)
	case 1:
		s.Start, s.End = 0, 0
	case 2:
		s.Start, s.End = r.Uint64(), r.Uint64()
	case 3:
		s.Kind, s.Status = int32(r.Uint32()), int32(r.Uint32())
	case 4:
		s.DroppedAttrs, s.DroppedEvents, s.DroppedLinks = r.Uint32(), r.Uint32(), r.Uint32()
	case 5:
		s.Unknown = []byte{0xa0, 0x06, 0x05} // field 100
	}
	if r.one(4) {
		s.TraceState = "ot=th:8;rv:" + r.text()
	}
	if r.one(4) {
		s.Status, s.Message = int32(r.IntN(3)), r.text()
	}
	if r.one(3) {
		s.Flags = r.Uint32()
	}
	for range r.few() {
		s.Events = append(s.Events, Event{Time: s.Start + r.Uint64N(1e9) - 1e8, Name: r.text(), Attrs: r.attrs(3), Dropped: r.drop()})
	}
	for range r.few() {
		s.Links = append(s.Links, Link{
			TraceID: r.bytes(16), SpanID: r.bytes(8), TraceState: r.text(), Attrs: r.attrs(3), Dropped: r.drop(), Flags: r.Uint32N(3),
		})
	}
	return s
}

// few is 0 most of the time.
func (r *random) few() int { return max(0, r.IntN(9)-5) }

func (r *random) drop() uint32 {
	if r.one(5) {
		return r.Uint32()
	}
	return 0
}

func (r *random) spanAttrs() []Attr {
	attrs := r.attrs(8)
	for _, a := range []Attr{{"http.method", "GET"}, {"http.url", "http://shop/" + r.text()}, {"http.status_code", int64(200 + r.IntN(400))}} {
		if r.one(3) {
			attrs = append(attrs, a)
		}
		if r.one(9) {
			attrs = append(attrs, Attr{a.Key, r.value(1)})
		}
		if r.one(20) {
			attrs = append(attrs, Attr{a.Key, a.Value})
		}
	}
	r.Shuffle(len(attrs), func(i, j int) { attrs[i], attrs[j] = attrs[j], attrs[i] })
	return attrs
}

func (r *random) attrs(most int) []Attr {
	var attrs []Attr
	for range r.IntN(most + 1) {
		key := fmt.Sprintf("key.%d", r.IntN(12))
		if r.one(20) {
			key = r.text()
		}
		a := Attr{key, r.value(3)}
		if r.one(30) {
			a.Value = Missing{}
		}
		attrs = append(attrs, a)
	}
	return attrs
}

func (r *random) value(depth int) any {
	switch n := r.IntN(20); {
	case n < 7:
		return r.text()
	case n < 10:
		return r.integer()
	case n < 12:
		return r.double()
	case n < 14:
		return r.one(2)
	case n < 17:
		return r.array(depth)
	case n < 18:
		return r.bytes(r.IntN(20))
	case n < 19 && depth > 0:
		var list []Attr
		for range r.IntN(3) {
			list = append(list, Attr{r.text(), r.value(depth - 1)})
		}
		return list
	}
	return nil
}

// array has elements of one type most of the time.
func (r *random) array(depth int) []any {
	array := []any{}
	kind := r.IntN(5)
	for range r.IntN(5) {
		switch kind {
		case 0:
			array = append(array, r.text())
		case 1:
			array = append(array, r.integer())
		case 2:
			array = append(array, r.double())
		case 3:
			array = append(array, r.one(2))
		default:
			if depth > 0 {
				array = append(array, r.value(depth-1))
			}
		}
	}
	return array
}

func (r *random) integer() int64 {
	edges := []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1<<53 + 1}
	if r.one(3) {
		return edges[r.IntN(len(edges))]
	}
	return int64(r.Uint64() >> r.IntN(64))
}

func (r *random) double() float64 {
	edges := []float64{0, math.Copysign(0, -1), 1, 0.1, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, 5e-324, 1e21, 1e-7}
	return edges[r.IntN(len(edges))]
}

func (r *random) text() string {
	texts := []string{
		"", "a", "GET", "x\x00y", "ünïcödé", "🙂", "\"quoted\"\\\n\t", "<b>&amp;</b>\u2028", "\U0010ffff\u007f",
		"exactly16bytes!!", "exactly16bytes!!!", strings.Repeat("\U0010ffff", 5), strings.Repeat("long ", 40),
	}
	switch r.IntN(8) {
	case 0:
		if r.one(40) {
			return strings.Repeat("huge", 1+r.IntN(30_000))
		}
		return texts[r.IntN(len(texts))]
	case 1, 2:
		return texts[r.IntN(len(texts))]
	case 3:
		return fmt.Sprintf("%x", r.Uint64())
	}
	return fmt.Sprintf("text-%d", r.IntN(30))
}

func (r *random) bytes(n int) []byte {
	b := make([]byte, (n+7)/8*8)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:n]
}
