package forwarder

import (
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"appliance/internal/spool"
)

// withAttributes is a request whose spans have so many attributes each, with
// names of so many bytes.
func withAttributes(t *testing.T, spans []id, attributes, width int) []byte {
	t.Helper()
	traces := ptrace.NewTraces()
	in := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, s := range spans {
		sp := in.AppendEmpty()
		sp.SetTraceID(s.Trace)
		sp.SetSpanID(s.Span)
		sp.SetKind(ptrace.SpanKind(s.Kind))
		for i := range attributes {
			sp.Attributes().PutBool(fmt.Sprintf("%0*d", width, i), true)
		}
	}
	out, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	must(t, err)
	return out
}

// However much a record holds, a request to Tempo holds a bounded number of
// bytes, spans and attributes.
func TestRequestsAreBounded(t *testing.T) {
	for name, c := range map[string]struct{ spans, attributes, width, requests int }{
		"many spans":      {12_000, 0, 0, 2},
		"many attributes": {1000, 300, 3, 2},
		"many bytes":      {3000, 30, 40, 2},
		"few":             {9000, 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := newTempo(t), openSpool(t, t.TempDir())
			o := k.options(s)
			body := withAttributes(t, upTo(0, c.spans), c.attributes, c.width)
			_, err := s.Append(spool.Record{Tenant: "a", Spans: c.spans, Time: time.Now(), Payload: body})
			must(t, err)
			k.start(o)
			empty(t, s)
			total := 0
			for _, r := range k.got() {
				total += len(r.spans)
				if len(r.spans) > requestSpans || len(r.spans)*c.attributes > requestAttributes || len(r.spans)*(len(body)/c.spans) > requestBytes {
					t.Errorf("a request has %d spans with %d attributes each, of %d bytes", len(r.spans), c.attributes, len(body)/c.spans)
				}
			}
			if len(k.got()) != c.requests || total != c.spans {
				t.Errorf("%d spans came in %d requests of %d bytes in all, want %d in %d", total, len(k.got()), len(body), c.spans, c.requests)
			}
		})
	}
}
