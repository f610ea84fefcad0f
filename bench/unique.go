package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"
)

// Requests of unique spans. Request r has the spans 512 r to 512 r + 511. A
// span's id is its number, encrypted, so that whoever finds it in a block knows
// which one it is. A trace has 1 to 15 spans of several services; half of them
// come one request later than the others.
const (
	uniqueSpans     = 512
	uniqueServices  = 20
	uniqueTemplates = 32
	cycleSpans      = 128 // of 16 traces
	cycleTraces     = 16
)

// uniques makes the bodies of requests by changing what differs in one that was
// encoded before, since encoding takes longer than the server does.
type uniques struct {
	templates []template
	places    [cycleSpans]tracePlace
}

// tracePlace is a span's place in the traces of its cycle.
type tracePlace struct {
	trace  uint64 // in the cycle
	root   int    // slot of the trace's first span
	parent int    // slot of its parent; of a root, its own
}

type template struct {
	body  []byte
	spans []patch
}

// patch is where in a body the fields of a span are that differ.
type patch struct {
	slot                            int
	trace, span, parent, start, end int
	path                            int // of eight digits
	took                            uint64
}

// pathDigits stand in a template for the digits that differ.
const pathDigits = "########"

func newUniques() (*uniques, error) {
	u := &uniques{}
	u.deal()
	rng := rand.New(rand.NewPCG(14, 1))
	for range uniqueTemplates {
		t, err := u.template(rng)
		if err != nil {
			return nil, fmt.Errorf("make a request of unique spans: %w", err)
		}
		u.templates = append(u.templates, t)
	}
	return u, nil
}

// deal divides the slots of a cycle among traces of 1 to 15 spans, and one of 8.
func (u *uniques) deal() {
	slot := 0
	for trace := range uint64(cycleTraces) {
		size := int(trace) + 1
		if size == cycleTraces {
			size = 8
		}
		for n := range size {
			u.places[slot+n] = tracePlace{trace: trace, root: slot, parent: slot + n/2}
		}
		slot += size
	}
}

// body is request r, written over dst.
func (u *uniques) body(dst []byte, r int64, now time.Time) []byte {
	t := &u.templates[int(r)%len(u.templates)]
	dst = append(dst[:0], t.body...)
	for i := range t.spans {
		p := &t.spans[i]
		number := uniqueNumber(r, p.slot)
		at := sequence(r, p.slot)
		cycle := at / cycleSpans
		place := &u.places[at%cycleSpans]
		trace := cycle*cycleTraces + place.trace
		binary.BigEndian.PutUint64(dst[p.trace:], scramble(trace^1<<63))
		binary.BigEndian.PutUint64(dst[p.trace+8:], scramble(trace|1<<62))
		binary.BigEndian.PutUint64(dst[p.span:], scramble(number))
		if p.parent > 0 {
			binary.BigEndian.PutUint64(dst[p.parent:], scramble(spanAt(cycle, place.parent)))
		}
		start := uint64(now.UnixNano()) + uint64(p.slot)*1000
		binary.LittleEndian.PutUint64(dst[p.start:], start)
		binary.LittleEndian.PutUint64(dst[p.end:], start+p.took)
		copy(dst[p.path:], fmt.Appendf(nil, "%08d", scramble(number)%1e8))
	}
	return dst
}

// sequence is a slot's place in the order in which traces follow each other: odd
// slots have what belongs to the request before.
func sequence(r int64, slot int) uint64 {
	at := uint64(r+1)*uniqueSpans + uint64(slot)
	if slot%2 == 1 {
		at -= uniqueSpans
	}
	return at
}

// uniqueNumber is the number of a span.
func uniqueNumber(r int64, slot int) uint64 { return uint64(r)*uniqueSpans + uint64(slot) }

// spanAt is the number of the span in a slot of a cycle.
func spanAt(cycle uint64, slot int) uint64 {
	at := cycle*cycleSpans + uint64(slot)
	if at%2 == 1 {
		return at // one request later, of which the first is left out
	}
	return at - uniqueSpans
}

// scramble is a permutation of the numbers of 64 bits (splitmix64's).
func scramble(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// unscramble undoes it.
func unscramble(v uint64) uint64 {
	v = (v ^ v>>31 ^ v>>62) * 0x319642b2d24d8ec3
	v = (v ^ v>>27 ^ v>>54) * 0x96de1b173f119089
	v = v ^ v>>30 ^ v>>60
	return v - 0x9e3779b97f4a7c15
}

// template makes a request, and finds what differs in it.
func (u *uniques) template(rng *rand.Rand) (t template, err error) {
	td := ptrace.NewTraces()
	var slots []int
	for service := range uniqueServices {
		ss := uniqueResource(td.ResourceSpans().AppendEmpty(), service, rng)
		for slot := range uniqueSpans {
			if slot*7919/16%uniqueServices == service {
				slots = append(slots, slot)
				u.span(ss.AppendEmpty(), service, slot, rng)
			}
		}
	}
	if t.body, err = (&ptrace.ProtoMarshaler{}).MarshalTraces(td); err != nil {
		return t, err
	}
	err = eachSpan(t.body, 0, 0, func(at int, span []byte) error {
		p, err := findPatch(at, span)
		if err != nil {
			return err
		}
		p.slot = slots[len(t.spans)]
		t.spans = append(t.spans, p)
		return nil
	})
	return t, err
}

func uniqueResource(rs ptrace.ResourceSpans, service int, rng *rand.Rand) ptrace.SpanSlice {
	a := rs.Resource().Attributes()
	instance := rng.IntN(3)
	a.PutStr("service.name", fmt.Sprintf("service-%02d", service))
	a.PutStr("service.version", fmt.Sprintf("1.%d.0", service%7))
	a.PutStr("service.instance.id", fmt.Sprintf("%08x-4b1d-4f5e-9c3a-%012x", service*2654435761, instance))
	a.PutStr("host.name", fmt.Sprintf("node-%02d.example.internal", (service+instance)%12))
	a.PutStr("k8s.namespace.name", []string{"shop", "billing", "search"}[service%3])
	a.PutStr("k8s.pod.name", fmt.Sprintf("service-%02d-7d9f8b6c5-%05x", service, instance*7919))
	a.PutStr("telemetry.sdk.language", []string{"go", "java", "nodejs"}[service%3])
	a.PutStr("telemetry.sdk.version", "1.37.0")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	ss.Scope().SetVersion("0.61.0")
	return ss.Spans()
}

// span makes one whose ids, times and path are put in later.
func (u *uniques) span(s ptrace.Span, service, slot int, rng *rand.Rand) {
	resource := []string{"orders", "customers", "baskets", "invoices", "articles"}[rng.IntN(5)]
	method := []string{"GET", "GET", "GET", "POST", "PUT"}[rng.IntN(5)]
	status := int64(200)
	switch rng.IntN(40) {
	case 0:
		status = 500
	case 1, 2:
		status = 404
	}
	s.SetTraceID(pcommon.TraceID{1})
	s.SetSpanID(pcommon.SpanID{1})
	if place := &u.places[slot%cycleSpans]; place.root != slot%cycleSpans {
		s.SetParentSpanID(pcommon.SpanID{1})
	}
	s.SetFlags(0x101)
	s.SetName(fmt.Sprintf("%s /api/v%d/%s/{id}", method, 1+service%2, resource))
	s.SetKind(ptrace.SpanKind(1 + rng.IntN(3)))
	s.SetStartTimestamp(1)
	s.SetEndTimestamp(pcommon.Timestamp(50_000 + uint64(rng.ExpFloat64()*2e7)))
	a := s.Attributes()
	a.PutStr("http.request.method", method)
	a.PutStr("url.path", fmt.Sprintf("/api/v%d/%s/%s", 1+service%2, resource, pathDigits))
	a.PutStr("url.scheme", "https")
	a.PutStr("server.address", fmt.Sprintf("%s-%d.svc.cluster.local", resource, service%4))
	a.PutInt("server.port", 8443)
	a.PutInt("http.response.status_code", status)
	n := rng.IntN(40)
	a.PutStr("user_agent.original", fmt.Sprintf(
		"Mozilla/5.0 (X11; Linux x86_64; rv:1%02d.0) AppleWebKit/537.%d (KHTML, like Gecko) Chrome/1%02d.0.0.0 Safari/537.%d", n+20, n, n+3, n))
	a.PutInt("customer.id", int64(rng.IntN(50_000)))
	if status == 500 {
		s.Status().SetCode(ptrace.StatusCodeError)
		s.Status().SetMessage("upstream connect error or disconnect/reset before headers")
	}
	if rng.IntN(50) == 0 {
		e := s.Events().AppendEmpty()
		e.SetTimestamp(1)
		e.SetName("exception")
		e.Attributes().PutStr("exception.type", "TimeoutError")
		e.Attributes().PutStr("exception.message", "deadline of 250 ms exceeded")
	}
}

// eachSpan calls visit with each span of a request, and where it is.
func eachSpan(message []byte, from, depth int, visit func(at int, span []byte) error) error {
	wanted := [...]protowire.Number{1, 2, 2}[depth]
	return eachField(message, func(field protowire.Number, at int, value []byte) error {
		switch {
		case field != wanted:
			return nil
		case depth == 2:
			return visit(from+at, value)
		}
		return eachSpan(value, from+at, depth+1, visit)
	})
}

// eachField calls visit with each field, where its value is, and the value.
func eachField(message []byte, visit func(field protowire.Number, at int, value []byte) error) error {
	for at := 0; at < len(message); {
		field, kind, n := protowire.ConsumeTag(message[at:])
		if n < 0 {
			return protowire.ParseError(n)
		}
		at += n
		size := protowire.ConsumeFieldValue(field, kind, message[at:])
		if size < 0 {
			return protowire.ParseError(size)
		}
		value, head := message[at:at+size], 0
		if kind == protowire.BytesType {
			value, head = protowire.ConsumeBytes(value)
			head -= len(value)
		}
		if err := visit(field, at+head, value); err != nil {
			return err
		}
		at += size
	}
	return nil
}

// findPatch finds what differs in a span that begins at a place of its body.
func findPatch(from int, span []byte) (p patch, err error) {
	err = eachField(span, func(field protowire.Number, at int, value []byte) error {
		switch field {
		case 1:
			p.trace = from + at
		case 2:
			p.span = from + at
		case 4:
			if len(value) > 0 { // pdata writes an empty one too
				p.parent = from + at
			}
		case 7:
			p.start = from + at
		case 8:
			p.end = from + at
			p.took = binary.LittleEndian.Uint64(value)
		}
		return nil
	})
	p.path = from + bytes.Index(span, []byte(pathDigits))
	if err == nil && (p.trace == 0 || p.span == 0 || p.start == 0 || p.end == 0 || p.path < from) {
		err = fmt.Errorf("a span of %d bytes lacks a field", len(span))
	}
	return p, err
}
