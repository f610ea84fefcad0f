package otlpwire

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

const benchSpans = 512

// benchRequest is what an instrumented HTTP server sends: 512 spans of about
// 410 bytes with eight attributes each.
func benchRequest(tb testing.TB, spans int) []byte {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "checkout")
	rs.Resource().Attributes().PutStr("host.name", "node-17.example.internal")
	rs.Resource().Attributes().PutStr("telemetry.sdk.language", "go")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	for range spans {
		sp := ss.Spans().AppendEmpty()
		var tid pcommon.TraceID
		var sid, pid pcommon.SpanID
		for i := range tid {
			tid[i] = byte(r.Uint32())
		}
		for i := range sid {
			sid[i], pid[i] = byte(r.Uint32()), byte(r.Uint32())
		}
		sp.SetTraceID(tid)
		sp.SetSpanID(sid)
		sp.SetParentSpanID(pid)
		sp.TraceState().FromRaw("ot=th:0;rv:0123456789abcd")
		sp.SetFlags(0x101)
		sp.SetName("GET /api/v1/orders/{id}")
		sp.SetKind(ptrace.SpanKindServer)
		sp.SetStartTimestamp(pcommon.Timestamp(1760000000000000000 + r.Uint64N(1e12)))
		sp.SetEndTimestamp(sp.StartTimestamp() + pcommon.Timestamp(r.Uint64N(1e9)))
		a := sp.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("url.path", fmt.Sprintf("/api/v1/orders/%08d", r.Uint32N(1e8)))
		a.PutStr("url.scheme", "https")
		a.PutStr("server.address", "shop.example.com")
		a.PutInt("server.port", 8443)
		a.PutInt("http.response.status_code", 200)
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101")
		a.PutBool("sampled.locally", true)
		sp.Status().SetCode(ptrace.StatusCodeOk)
	}
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// perSpan adds what a span costs to the usual figures.
func perSpan(b *testing.B, body []byte) {
	b.SetBytes(int64(len(body)))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSpans, "ns/span")
	b.ReportMetric(float64(len(body))/benchSpans, "B/span")
}

func BenchmarkFilterKeepAll(b *testing.B) {
	body := benchRequest(b, benchSpans)
	visit := func(*Span) Verdict { return Verdict{Keep: true} }
	var l Limits
	b.ReportAllocs()
	for b.Loop() {
		if _, n, err := l.Filter(nil, body, visit); err != nil || n.Kept != benchSpans {
			b.Fatal(n, err)
		}
	}
	perSpan(b, body)
}

func BenchmarkFilterTenPercentRewritten(b *testing.B) {
	benchmarkTenPercent(b, benchRequest(b, benchSpans))
}

// BenchmarkFilterTenPercentDescending has the fields in the order in which newer
// Collectors write them.
func BenchmarkFilterTenPercentDescending(b *testing.B) {
	benchmarkTenPercent(b, descending(refRequest, benchRequest(b, benchSpans)))
}

// descending reverses the fields of a message and of those in it.
func descending(m *refMessage, b []byte) (reversed []byte) {
	for _, f := range slices.Backward(split(b)) {
		if sub := m.messages[f.number]; sub != nil {
			f.raw = message(f.number, descending(sub, f.content))
		}
		reversed = append(reversed, f.raw...)
	}
	return reversed
}

func benchmarkTenPercent(b *testing.B, body []byte) {
	state := []byte("ot=th:e666;rv:0123456789abcd")
	i := 0
	visit := func(*Span) Verdict {
		i++
		return Verdict{Keep: i%10 == 0, Rewrite: true, TraceState: state}
	}
	var l Limits
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		out, n, err := l.Filter(dst[:0], body, visit)
		if err != nil || n.Kept < benchSpans/10 {
			b.Fatal(n, err)
		}
		dst = out
	}
	perSpan(b, body)
}

// BenchmarkPdataTenPercentRewritten does with pdata what
// BenchmarkFilterTenPercentRewritten does with bytes.
func BenchmarkPdataTenPercentRewritten(b *testing.B) {
	body := benchRequest(b, benchSpans)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			b.Fatal(err)
		}
		for _, rs := range req.Traces().ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				ss.Spans().RemoveIf(func(sp ptrace.Span) bool {
					i++
					sp.TraceState().FromRaw("ot=th:e666;rv:0123456789abcd")
					return i%10 != 0
				})
			}
		}
		if _, err := req.MarshalProto(); err != nil {
			b.Fatal(err)
		}
	}
	perSpan(b, body)
}

func BenchmarkWalk(b *testing.B) {
	body := benchRequest(b, benchSpans)
	watch := func(*Span) {}
	var l Limits
	b.ReportAllocs()
	for b.Loop() {
		if n, err := l.Walk(body, watch); err != nil || n.Spans != benchSpans {
			b.Fatal(n, err)
		}
	}
	perSpan(b, body)
}

func benchJSON(b *testing.B) []byte {
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalProto(benchRequest(b, benchSpans)); err != nil {
		b.Fatal(err)
	}
	body, err := req.MarshalJSON()
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func BenchmarkFromJSON(b *testing.B) {
	body := benchJSON(b)
	var l Limits
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		out, err := l.FromJSON(dst[:0], body)
		if err != nil {
			b.Fatal(err)
		}
		dst = out
	}
	perSpan(b, body)
}

// BenchmarkPdataFromJSON does with pdata what BenchmarkFromJSON does with bytes.
func BenchmarkPdataFromJSON(b *testing.B) {
	body := benchJSON(b)
	b.ReportAllocs()
	for b.Loop() {
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalJSON(body); err != nil {
			b.Fatal(err)
		}
		if _, err := req.MarshalProto(); err != nil {
			b.Fatal(err)
		}
	}
	perSpan(b, body)
}
