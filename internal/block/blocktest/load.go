package blocktest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Load makes the records of a system of twenty services: traces of 1 to 200
// spans, whose spans are spread over many records, each of one service. A span
// has eight attributes and takes about 460 bytes. Memory does not grow with the
// number of spans.
type Load struct {
	r      *rand.Rand
	now    uint64
	open   []openTrace
	buf    []byte
	spans  []Span
	agents []string
	left   int
}

// openTrace is a trace of which spans are still to come.
type openTrace struct {
	id      []byte
	left    int
	parents [][]byte
}

const (
	loadServices  = 20
	loadOpen      = 200 // traces that are under way at a time
	loadPerRecord = 200 // spans
)

// NewLoad makes a Load of so many spans.
func NewLoad(seed uint64, spans int) *Load {
	l := &Load{r: rand.New(rand.NewPCG(seed, 7)), now: 1_795_878_000_000_000_000, left: spans}
	for i := range 40 {
		l.agents = append(l.agents, fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64; rv:1%02d.0) AppleWebKit/537.%d (KHTML, like Gecko) Chrome/1%02d.0.0.0 Safari/537.%d", i+20, i, i+3, i))
	}
	return l
}

// At moves on to a time, of which the next spans are.
func (l *Load) At(now time.Time) { l.now = uint64(now.UnixNano()) }

// Next returns the next record, which is valid until Next is called again, or
// nil after the last.
func (l *Load) Next() (record []byte, spans int) {
	n := min(l.left, loadPerRecord)
	if n == 0 {
		return nil, 0
	}
	l.left -= n
	l.now += 2e6 * uint64(n) / 10
	service := l.r.IntN(loadServices)
	l.spans = l.spans[:0]
	for range n {
		l.spans = append(l.spans, l.span(service))
	}
	l.buf = Append(l.buf[:0], ResourceSpans{
		Resource: loadResource(service, l.r.IntN(3)),
		Scopes:   []ScopeSpans{{Scope: Scope{Name: "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", Version: "0.61.0"}, Spans: l.spans}},
	})
	return l.buf, n
}

func loadResource(service, instance int) Resource {
	return Resource{Attrs: []Attr{
		{"service.name", fmt.Sprintf("service-%02d", service)},
		{"service.version", fmt.Sprintf("1.%d.0", service%7)},
		{"service.instance.id", fmt.Sprintf("%08x-4b1d-4f5e-9c3a-%012x", service*2654435761, instance)},
		{"host.name", fmt.Sprintf("node-%02d.example.internal", (service+instance)%12)},
		{"k8s.namespace.name", []string{"shop", "billing", "search"}[service%3]},
		{"k8s.pod.name", fmt.Sprintf("service-%02d-7d9f8b6c5-%05x", service, instance*7919)},
		{"telemetry.sdk.language", []string{"go", "java", "nodejs"}[service%3]},
		{"telemetry.sdk.version", "1.37.0"},
	}}
}

func (l *Load) id(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(l.r.Uint32())
	}
	return b
}

// parent picks a trace that is under way, or begins one.
func (l *Load) parent() (t *openTrace, parent []byte) {
	if len(l.open) < loadOpen {
		size := 1 + l.r.IntN(75)
		if l.r.IntN(6) == 0 {
			size = 1 + l.r.IntN(200)
		}
		l.open = append(l.open, openTrace{id: l.id(16), left: size})
		return &l.open[len(l.open)-1], nil
	}
	t = &l.open[l.r.IntN(len(l.open))]
	return t, t.parents[l.r.IntN(len(t.parents))]
}

func (l *Load) span(service int) Span {
	r := l.r
	t, parent := l.parent()
	route := r.IntN(5)
	method := []string{"GET", "GET", "GET", "POST", "PUT"}[r.IntN(5)]
	resource := []string{"orders", "customers", "baskets", "invoices", "articles"}[route]
	status := int64(200)
	switch r.IntN(40) {
	case 0:
		status = 500
	case 1, 2:
		status = 404
	case 3:
		status = 204
	}
	s := Span{
		TraceID: t.id, SpanID: l.id(8), Parent: parent, Kind: 1 + int32(r.IntN(3)),
		Name:  fmt.Sprintf("%s /api/v%d/%s/{id}", method, 1+service%2, resource),
		Start: l.now + r.Uint64N(4e6),
		Attrs: []Attr{
			{"http.request.method", method},
			{"url.path", fmt.Sprintf("/api/v%d/%s/%08d", 1+service%2, resource, r.IntN(1e8))},
			{"url.scheme", "https"},
			{"server.address", fmt.Sprintf("%s-%d.svc.cluster.local", resource, service%4)},
			{"server.port", int64(8443)},
			{"http.response.status_code", status},
			{"user_agent.original", l.agents[r.IntN(len(l.agents))]},
			{"customer.id", int64(r.IntN(50_000))},
		},
		Flags: 0x101,
	}
	s.End = s.Start + 50_000 + uint64(r.ExpFloat64()*2e7)
	if status == 500 {
		s.Status, s.Message = 2, "upstream connect error or disconnect/reset before headers"
	}
	if r.IntN(50) == 0 {
		s.Events = []Event{{Time: s.Start + r.Uint64N(1e6), Name: "exception", Attrs: []Attr{
			{"exception.type", "TimeoutError"}, {"exception.message", "deadline of 250 ms exceeded"},
		}}}
	}
	l.sent(t, s.SpanID)
	return s
}

// sent takes note of a span, and closes its trace after the last.
func (l *Load) sent(t *openTrace, spanID []byte) {
	if t.left--; t.left > 0 {
		t.parents = append(t.parents, spanID)
		return
	}
	*t = l.open[len(l.open)-1]
	l.open = l.open[:len(l.open)-1]
}
