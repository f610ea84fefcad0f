package browser

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"appliance/e2e/internal/harness"
)

const (
	bigID     = "0000000000000000000000000000b160"
	hostileID = "00000000000000000000000000000bad"
	script    = `<script>alert("owned")</script>`

	server   = trace.Span_SPAN_KIND_SERVER
	client   = trace.Span_SPAN_KIND_CLIENT
	internal = trace.Span_SPAN_KIND_INTERNAL

	ms = time.Millisecond
)

// checkoutID is the id of the trace of that number.
func checkoutID(n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "checkout %d", n))
	return hex.EncodeToString(sum[:16])
}

// send sends spans by the name of their service.
func send(t testing.TB, a *harness.Appliance, spans map[string][]*trace.Span) {
	t.Helper()
	r := &collector.ExportTraceServiceRequest{}
	for service, of := range spans {
		r.ResourceSpans = append(r.ResourceSpans, &trace.ResourceSpans{
			Resource: &resource.Resource{Attributes: []*common.KeyValue{harness.Attribute("service.name", service)}},
			ScopeSpans: []*trace.ScopeSpans{{
				Scope: &common.InstrumentationScope{Name: "shop/tracing", Version: "1.4"}, Spans: of,
			}},
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := a.Export(ctx, r)
	must(t, err)
	if answer.Status != 200 {
		t.Fatalf("the appliance answers %d to spans", answer.Status)
	}
}

// span makes a span of a trace that began at a time. parent 0 is for a root.
func span(
	traceID string, id, parent int, name string, kind trace.Span_SpanKind, at time.Time, from, to time.Duration,
) *trace.Span {
	raw, _ := hex.DecodeString(traceID) // a constant
	s := &trace.Span{
		TraceId: raw, SpanId: fmt.Appendf(nil, "%08d", id), Name: name, Kind: kind,
		StartTimeUnixNano: uint64(at.Add(from).UnixNano()), EndTimeUnixNano: uint64(at.Add(to).UnixNano()),
	}
	if parent > 0 {
		s.ParentSpanId = fmt.Appendf(nil, "%08d", parent)
	}
	return s
}

// sendShop sends traces of a shop, one a minute back from now, every fourth of
// which fails.
func sendShop(t testing.TB, a *harness.Appliance, traces int) {
	t.Helper()
	for n := range traces {
		id, at := checkoutID(n), time.Now().Add(-time.Duration(n+1)*time.Minute)
		slow := time.Duration(n*7%100) * ms
		pay := span(id, 5, 4, "POST /charge", server, at, 90*ms, 190*ms+slow)
		order := span(id, 3, 2, "place order", server, at, 20*ms, 230*ms+slow)
		pay.Attributes = append(pay.Attributes,
			harness.Attribute("http.route", "/charge"), harness.Attribute("payment.provider", "acme"))
		if n%4 == 0 {
			pay.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: "card declined"}
			pay.Events = []*trace.Span_Event{{
				Name: "exception", TimeUnixNano: pay.StartTimeUnixNano + uint64(80*ms),
				Attributes: []*common.KeyValue{harness.Attribute("exception.type", "CardDeclined")},
			}}
			order.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR}
		}
		send(t, a, map[string][]*trace.Span{
			"web": {
				span(id, 1, 0, "GET /checkout", server, at, 0, 250*ms+slow),
				span(id, 2, 1, "POST /orders", client, at, 10*ms, 240*ms+slow),
			},
			"shop": {
				order, span(id, 6, 3, "render", internal, at, 200*ms+slow, 228*ms+slow),
				span(id, 4, 3, "POST /charge", client, at, 80*ms, 195*ms+slow),
			},
			"payments": {pay},
			"database": {span(id, 7, 3, "SELECT cart", server, at, 25*ms, 70*ms)},
		})
	}
	readable(t, a, checkoutID(traces-1), 7)
}

// readable waits until spans can be read that were acknowledged, which takes a
// moment.
func readable(t testing.TB, a *harness.Appliance, traceID string, spans int) {
	t.Helper()
	harness.Eventually(t, patience, "spans can be read", func() error {
		n, err := a.SpanCount(t.Context(), traceID)
		if err == nil && n < spans {
			err = fmt.Errorf("%d of %d spans of trace %s are there", n, spans, traceID)
		}
		return err
	})
}

// sendBig sends a trace of so many spans.
func sendBig(t testing.TB, a *harness.Appliance, spans int) {
	t.Helper()
	at := time.Now().Add(-5 * time.Minute)
	all := make([]*trace.Span, spans)
	for i := range all {
		from := time.Duration(i) * 50 * time.Microsecond
		all[i] = span(bigID, i+1, (i+1)/2, fmt.Sprintf("step %d", i%7), internal, at, from, from+30*ms)
		for k := range 8 {
			all[i].Attributes = append(all[i].Attributes,
				harness.Attribute(fmt.Sprintf("key.%d", k), fmt.Sprintf("value %d of span %d", k, i)))
		}
	}
	send(t, a, map[string][]*trace.Span{"big": all})
	readable(t, a, bigID, spans)
}

// sendHostile sends a trace whose names would be something else than text, if
// they were not shown as text.
func sendHostile(t testing.TB, a *harness.Appliance) {
	t.Helper()
	at := time.Now().Add(-6 * time.Minute)
	s := span(hostileID, 1, 0, script+"\u202etxt.exe"+strings.Repeat("long ", 20_000), server, at, 0, ms)
	s.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: script}
	s.Attributes = []*common.KeyValue{
		harness.Attribute(script, `"><img src=x onerror=alert(1)>`), harness.Attribute("rtl", "\u202eשלום עולם"),
		harness.Attribute("url", "javascript:alert(1)"), harness.Attribute("long", strings.Repeat("x", 100_000)),
	}
	send(t, a, map[string][]*trace.Span{`"><svg onload=alert(1)>`: {s}})
	readable(t, a, hostileID, 1)
}
