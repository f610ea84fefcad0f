package serve

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"appliance/internal/durable"
	"appliance/internal/otlpwire"
	"appliance/internal/pages"
	"appliance/internal/red"
)

type oldServices struct{ asked int }

func (o *oldServices) Services(context.Context, pages.ServicesQuery) (*pages.ServicesAnswer, error) {
	o.asked++
	return &pages.ServicesAnswer{}, nil
}

// Figures of a time that ends now are of what was received; of any other, of what
// is stored.
func TestCountedServices(t *testing.T) {
	meter, err := red.Open(red.Options{Dir: t.TempDir(), FS: durable.OS, MaxSeries: 100, PairWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	body := spansOf(t, "shop", "GET /orders", "GET /orders", "GET /cart")
	tally := meter.Tally("a")
	limits := otlpwire.Limits{MaxDepth: 50, MaxSpans: 10, MaxAttributes: 10}
	if _, err := limits.Walk(body, func(s *otlpwire.Span) { tally.Add(s, true) }); err != nil {
		t.Fatal(err)
	}
	tally.Commit()
	var stored oldServices
	now := time.Now()
	c := countedServices{meter, &stored, func() time.Time { return now }}
	a, err := c.Services(t.Context(), pages.ServicesQuery{Tenant: "a", From: now.Add(-time.Hour), To: now})
	if err != nil || stored.asked != 0 {
		t.Fatalf("%v, the store was asked %d times", err, stored.asked)
	}
	calls := map[string]float64{}
	for _, o := range a.Operations {
		calls[o.Service+" "+o.Kind+" "+o.Name] += o.Calls
		if len(o.Examples) == 0 {
			t.Errorf("%s has no example", o.Name)
		}
	}
	if e := a.Edges; len(e) != 1 || e[0].Calls != 3 || e[0].P90 < e[0].P50 || e[0].P99 < e[0].P90 || e[0].P90 == 0 || len(e[0].Examples) == 0 {
		t.Errorf("edges: %+v", e)
	}
	if len(calls) != 2 || calls["shop server GET /orders"] != 2 || calls["shop server GET /cart"] != 1 {
		t.Errorf("%v", calls)
	}
	if a, err := c.Services(t.Context(), pages.ServicesQuery{Tenant: "b", From: now.Add(-time.Hour), To: now}); err != nil || len(a.Operations) != 0 {
		t.Errorf("another tenant sees %v, %v", a.Operations, err)
	}
	if _, err := c.Services(t.Context(), pages.ServicesQuery{Tenant: "a", From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)}); err != nil || stored.asked != 1 {
		t.Errorf("%v, the store was asked %d times of an hour ago", err, stored.asked)
	}
}

// spansOf is a request with a span of kind server for each name, of one second.
func spansOf(t *testing.T, service string, names ...string) []byte {
	t.Helper()
	req := ptraceotlp.NewExportRequest()
	rs := req.Traces().ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", service)
	for i, name := range names {
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, byte(i)})
		s.SetSpanID(pcommon.SpanID{1, byte(i)})
		s.SetName(name)
		s.SetKind(ptrace.SpanKindServer)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-time.Second)))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	}
	body, err := req.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}
