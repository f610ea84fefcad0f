package main

import (
	"encoding/binary"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// TestUniqueRequests holds that no span comes twice, that each is told by its
// id, that traces have 1 to 15 spans and one root, and how large all that is.
func TestUniqueRequests(t *testing.T) {
	u, err := newUniques()
	if err != nil {
		t.Fatal(err)
	}
	const requests = 70 // more than there are templates
	seen := make([]bool, requests*uniqueSpans)
	type trace struct{ spans, roots int }
	traces := map[[16]byte]*trace{}
	inTrace := map[[8]byte][16]byte{}
	parents := map[[8]byte][8]byte{}
	services := map[string]bool{}
	bytes := 0
	var body []byte
	for r := range int64(requests) {
		body = u.body(body, r, time.Now())
		bytes += len(body)
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
		if err != nil {
			t.Fatal(err)
		}
		if n := td.SpanCount(); n != uniqueSpans {
			t.Fatalf("request %d has %d spans", r, n)
		}
		for _, rs := range td.ResourceSpans().All() {
			name, _ := rs.Resource().Attributes().Get("service.name")
			services[name.Str()] = true
			for _, s := range rs.ScopeSpans().At(0).Spans().All() {
				id := s.SpanID()
				n := unscramble(binary.BigEndian.Uint64(id[:]))
				if n >= uint64(len(seen)) || seen[n] || int64(n/uniqueSpans) != r {
					t.Fatalf("request %d has span %d, again or of another", r, n)
				}
				seen[n] = true
				of := traces[s.TraceID()]
				if of == nil {
					of = &trace{}
					traces[s.TraceID()] = of
				}
				of.spans++
				inTrace[id] = s.TraceID()
				if s.ParentSpanID().IsEmpty() {
					of.roots++
				} else {
					parents[id] = s.ParentSpanID()
				}
				if s.EndTimestamp() <= s.StartTimestamp() {
					t.Fatalf("span %d ends before it starts", n)
				}
			}
		}
	}
	if per := bytes / len(seen); per < 450 || per > 470 {
		t.Errorf("%d bytes a span, not about 460", per)
	}
	if len(services) != uniqueServices {
		t.Errorf("%d services", len(services))
	}
	sizes := map[int]int{}
	for id, of := range traces {
		sizes[of.spans]++
		if of.spans > 15 || of.roots > 1 {
			t.Errorf("trace %x has %d spans, %d of them roots", id, of.spans, of.roots)
		}
	}
	for n := 1; n <= 15; n++ {
		if sizes[n] < requests {
			t.Errorf("%d traces have %d spans", sizes[n], n)
		}
	}
	for id, parent := range parents {
		if of, there := inTrace[parent]; there && of != inTrace[id] {
			t.Fatal("a parent is in another trace")
		}
	}
}
