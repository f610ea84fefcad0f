package blocktest

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// TestRandomIsOTLP lets the protocol's own library read what Random makes.
func TestRandomIsOTLP(t *testing.T) {
	for seed := range uint64(20) {
		batches := Random(seed, 20)
		want, got := 0, 0
		for _, rs := range batches {
			for _, ss := range rs.Scopes {
				want += len(ss.Spans)
			}
		}
		for _, record := range Records(seed, batches) {
			req := ptraceotlp.NewExportRequest()
			if err := req.UnmarshalProto(record); err != nil {
				t.Fatal(err)
			}
			got += req.Traces().SpanCount()
		}
		if got != want || want < 20 {
			t.Errorf("seed %d: %d spans, want %d", seed, got, want)
		}
	}
}

// TestLoad holds what the benchmarks' figures rest on: the shape of the spans.
func TestLoad(t *testing.T) {
	const spans = 50_000
	l := NewLoad(1, spans)
	traces := make(map[[16]byte]int)
	n, size := 0, 0
	for {
		record, k := l.Next()
		if record == nil {
			break
		}
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(record); err != nil {
			t.Fatal(err)
		}
		ss := req.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans()
		if ss.Len() != k {
			t.Fatalf("%d spans in a record of %d", ss.Len(), k)
		}
		for i := range k {
			traces[ss.At(i).TraceID()]++
			if ss.At(i).Attributes().Len() != 8 {
				t.Fatalf("a span has %d attributes", ss.At(i).Attributes().Len())
			}
		}
		n += k
		size += len(record)
	}
	longest := 0
	for _, k := range traces {
		longest = max(longest, k)
	}
	if n != spans || size/n < 440 || size/n > 480 || len(traces) < n/60 || len(traces) > n/20 || longest < 150 || longest > 200 {
		t.Errorf("%d spans of %d bytes in %d traces, the longest has %d", n, size/n, len(traces), longest)
	}
	t.Logf("%d spans of %d bytes in %d traces, the longest has %d", n, size/n, len(traces), longest)
}
