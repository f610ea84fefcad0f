package block

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

func openBlock(t testing.TB, path string) *Block {
	t.Helper()
	src := OpenDir(path)
	t.Cleanup(func() { src.Close() })
	b, err := Open(t.Context(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testdata/tempo-2.7.2 was written by Tempo 2.7.2: trace i has the first 16
// bytes of sha256("trace-<i>") as its identifier.
func tempoTraceID(i int) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "trace-%d", i))
	return [16]byte(sum[:])
}

// checkTempoTrace holds a trace of testdata against the formula that it was made
// by, and returns the number of its spans.
func checkTempoTrace(t *testing.T, data []byte, i int) int {
	t.Helper()
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
	if err != nil {
		t.Fatal(err)
	}
	id, spans := tempoTraceID(i), 0
	for _, rs := range traces.ResourceSpans().All() {
		service, _ := rs.Resource().Attributes().Get("service.name")
		version, _ := rs.Resource().Attributes().Get("service.version")
		if service.Str() != []string{"shop", "billing", "search"}[i%3] || version.Str() != fmt.Sprintf("1.%d", i%4) {
			t.Errorf("trace %d is of %s %s", i, service.Str(), version.Str())
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				spans++
				if s.TraceID() != id {
					t.Errorf("trace %d has a span of %s", i, s.TraceID())
				}
				checkTempoSpan(t, s, i)
			}
		}
	}
	return spans
}

func checkTempoSpan(t *testing.T, s ptrace.Span, i int) {
	t.Helper()
	j := map[string]int{"GET /orders": 0, "SELECT orders": 1, "publish order": 2}[s.Name()]
	spanID := func(j int) []byte {
		sum := sha256.Sum256(fmt.Appendf(nil, "span-%d-%d", i, j))
		return sum[:8]
	}
	id, parent := s.SpanID(), s.ParentSpanID()
	if !bytes.Equal(id[:], spanID(j)) || j > 0 && !bytes.Equal(parent[:], spanID(0)) || j == 0 && !parent.IsEmpty() {
		t.Errorf("trace %d, span %d: %s below %s", i, j, id, parent)
	}
	kind := []ptrace.SpanKind{ptrace.SpanKindServer, ptrace.SpanKindClient, ptrace.SpanKindProducer}[j]
	duration := []int64{50, 39, 28}[j] * 1e6
	if s.Kind() != kind || int64(s.EndTimestamp()-s.StartTimestamp()) != duration || s.StartTimestamp() == 0 {
		t.Errorf("trace %d, span %d: kind %s, %d ns", i, j, s.Kind(), s.EndTimestamp()-s.StartTimestamp())
	}
	order, _ := s.Attributes().Get("order.id")
	status, _ := s.Attributes().Get("http.response.status_code")
	want, code, message := "200", ptrace.StatusCodeUnset, ""
	if i%10 == 0 {
		want = "500"
		if j == 0 {
			code, message = ptrace.StatusCodeError, "boom"
		}
	}
	if order.Int() != int64(i) || status.AsString() != want || s.Attributes().Len() != 2 || s.Status().Code() != code || s.Status().Message() != message {
		t.Errorf("trace %d, span %d: %v, %s %q", i, j, s.Attributes().AsRaw(), s.Status().Code(), s.Status().Message())
	}
}

func TestTracesOfTempo(t *testing.T) {
	number := map[[16]byte]int{}
	for i := range 300 {
		number[tempoTraceID(i)] = i
	}
	for name, want := range map[string]int{"level0": 100, "level1": 250} {
		b := openBlock(t, "testdata/tempo-2.7.2/"+name)
		n := 0
		for data, err := range b.Traces(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
			if err != nil {
				t.Fatal(err)
			}
			id := traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).TraceID()
			i, ok := number[id]
			if !ok {
				t.Fatalf("trace %s is none of them", id)
			}
			if spans := checkTempoTrace(t, data, i); spans != 3 {
				t.Errorf("%s: trace %d has %d spans", name, i, spans)
			}
			n++
		}
		if n != want {
			t.Errorf("%s: %d traces, want %d", name, n, want)
		}
	}
}
