package pages

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const ms = time.Millisecond

// checkout is a trace with an error, events, links and a critical path.
func checkout(trace byte, pay time.Duration) []aSpan {
	return []aSpan{
		{trace: trace, id: 1, service: "web", name: "GET /cart", kind: ptrace.SpanKindServer, to: 200 * ms},
		{trace: trace, id: 2, parent: 1, service: "shop", name: "checkout", kind: ptrace.SpanKindServer, from: 10 * ms, to: 190 * ms},
		{trace: trace, id: 3, parent: 2, service: "payments", name: "pay", kind: ptrace.SpanKindServer, from: 20 * ms, to: 20*ms + pay, failed: true, more: func(s ptrace.Span) {
			s.Attributes().PutStr("card.brand", "visa")
			e := s.Events().AppendEmpty()
			e.SetName("exception")
			e.SetTimestamp(s.StartTimestamp() + pcommon.Timestamp(5*ms))
			e.Attributes().PutStr("exception.type", "NoMoney")
			s.Links().AppendEmpty().SetTraceID(pcommon.TraceID{0: 0xab, 15: 7})
			s.SetDroppedAttributesCount(3)
		}},
	}
}

func TestTrace(t *testing.T) {
	w := newWorld(t, nil)
	w.keep(began(), checkout(1, 150*ms)...)
	body := w.page(200, "/trace/1")
	says(t, body, "web : GET /cart", "Duration 200 ms", "Spans 3", "Failed 1", "out of money", "card.brand visa", "exception.type NoMoney",
		"at 25 ms: exception", "What it waited for", "150 ms 75 %", "ab000000000000000000000000000007", "The sender left out 3 attributes",
		"limits of their own: 3")
	if strings.Contains(body, "may still come") || strings.Contains(body, "It was sampled") {
		t.Error("it warns of what is not so")
	}
	if i, j := strings.Index(body, "Failed spans"), strings.Index(body, `class="waterfall"`); i < 0 || j < i {
		t.Error("errors do not come first")
	}
	for _, link := range []string{"?format=otlp", `href="/trace/ab000000000000000000000000000007"`, "?span=span-3", "?focus=span-1"} {
		if !strings.Contains(body, link) {
			t.Errorf("no link %s", link)
		}
	}
	answer := w.get("/trace/1?format=otlp")
	if answer.Body.String() != `{"resources":3}` || !strings.Contains(answer.Header().Get("Content-Disposition"), "trace-00000000000000000000000000000001.json") {
		t.Errorf("the download is %s, %v", answer.Body, answer.Header())
	}
	focus := w.page(200, "/trace/1?focus=span-2")
	says(t, focus, "Only what is below checkout")
	if strings.Contains(focus, `id="span-1"`) || !strings.Contains(focus, `id="span-3"`) {
		t.Error("the part below a span is another")
	}
	w.page(400, "/trace/1?focus=span-9")
	w.page(400, "/trace/1?span=0000000000000009")
	w.page(400, "/trace/1?from=x")
	says(t, w.page(200, "/trace/1?span=0000000000000003"), "One span, with all that it has", "card.brand visa")
	w.page(400, "/trace/xyz")
}

func TestTraceSaysWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.NotFound = func(_ string, id [16]byte) []string { return []string{fmt.Sprintf("nobody knows %x", id[15])} }
	})
	sampled := aSpan{trace: 2, id: 1, service: "a", name: "root", to: 5 * ms, state: "ot=th:e666;rv:ffffffffffffff,x=y"}
	other := sampled
	other.id, other.parent, other.state = 2, 1, "ot=th:8"
	w.keep(began(), sampled, aSpan{trace: 3, id: 1, parent: 9, service: "a", name: "lonely", to: 5 * ms})
	w.keep(began(), aSpan{trace: 4, id: 1, service: "a", name: "root", from: 2 * ms, to: 5 * ms}, aSpan{trace: 4, id: 2, parent: 1, service: "b", name: "early", to: 5 * ms},
		aSpan{trace: 4, id: 3, parent: 9, service: "b", name: "orphan", to: 5 * ms})
	w.keep(time.Now(), aSpan{trace: 5, id: 1, service: "a", name: "new", to: 1})
	says(t, w.page(200, "/trace/2"), "It was sampled at 10 % (th in its tracestate): it stands for about 10 traces")
	says(t, w.page(200, "/trace/3"), "root span not seen", "The root span was not seen. Spans whose parent is not stored: 1.")
	says(t, w.page(200, "/trace/4"), "Spans whose parent is not stored: 1.", "Spans that begin before their parent: 1.")
	says(t, w.page(200, "/trace/5"), "more may still come")
	says(t, w.page(404, "/trace/6"), "Trace 00000000000000000000000000000006 is not here", "nobody knows 6")
	w.keep(began(), other)
	says(t, w.page(200, "/trace/2"), "Its spans were sampled at 10 % to 50 %")
}

func TestProbability(t *testing.T) {
	for state, want := range map[string]float64{"ot=th:8": 0.5, "a=b, ot=rv:1;th:c": 0.25, "ot=th:0": 1, "": -1, "ot=th:": -1, "ot=th:xyz": -1, "ot=th:000000000000000": -1, "x=th:8": -1} {
		p, ok := probability(state)
		if !ok {
			p = -1
		}
		if p != want {
			t.Errorf("%q: %v, want %v", state, p, want)
		}
	}
}

// A page has a bound, whatever the trace is, and every span is on one.
func TestTraceOfTenThousandSpans(t *testing.T) {
	w := newWorld(t, nil)
	const n = 10_000
	all := ptrace.NewTraces()
	rs := all.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "big")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for i := range n {
		s := spans.AppendEmpty()
		s.SetTraceID(pcommon.TraceID{15: 9})
		s.SetSpanID(pcommon.SpanID{6: byte((i + 1) >> 8), 7: byte(i + 1)})
		if parent := (i + 1) / 2; parent > 0 {
			s.SetParentSpanID(pcommon.SpanID{6: byte(parent >> 8), 7: byte(parent)})
		}
		s.SetName(fmt.Sprintf("step %d", i))
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(began().Add(time.Duration(i) * time.Microsecond)))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(began().Add(time.Second)))
		for k := range 10 {
			s.Attributes().PutStr(fmt.Sprintf("key.%d", k), strings.Repeat("v", 40))
		}
	}
	payload, err := new(ptrace.ProtoMarshaler).MarshalTraces(all)
	must(t, err)
	must(t, w.store.Put(t.Context(), "single-tenant", payload))
	for _, from := range []int{1, n/2 + 1, n - LinesPerPage + 1} {
		body := w.page(200, fmt.Sprintf("/trace/9?from=%d", from))
		if seen := strings.Count(body, `<li id="span-`); seen != LinesPerPage {
			t.Errorf("the page from %d has %d spans", from, seen)
		}
		if len(body) > 1<<20 {
			t.Fatalf("the page from %d has %d bytes", from, len(body))
		}
		if more := strings.Contains(body, `rel="next"`); more != (from+LinesPerPage <= n) {
			t.Errorf("the page from %d: is there more? %v", from, more)
		}
	}
}

func TestHostileText(t *testing.T) {
	w := newWorld(t, nil)
	const script = `<script>alert(1)</script>`
	long := script + "\u202egnp" + strings.Repeat("x", 100_000)
	w.keep(began(), aSpan{trace: 8, id: 1, service: `"><img src=x onerror=alert(1)>`, name: long, to: ms, failed: true, more: func(s ptrace.Span) {
		s.Attributes().PutStr(script, "\x00\u202e"+strings.Repeat("y", 100_000))
		s.Attributes().PutStr("javascript", "javascript:alert(1)")
		s.Status().SetMessage(long)
		s.TraceState().FromRaw(script)
	}})
	for _, path := range []string{"/", "/trace/8", "/trace/8?with=8", "/services"} {
		body := w.page(200, path)
		if strings.Contains(body, script) || strings.Contains(body, "<img") || strings.Contains(body, "\u202e") {
			t.Errorf("%s has what a client sent as it is", path)
		}
		if len(body) > 100_000 {
			t.Errorf("%s has %d bytes", path, len(body))
		}
		says(t, body, script+`\u202egnp`, "of 100,031 bytes")
	}
	body := w.page(200, "/trace/8?span=span-1")
	for _, all := range []string{strings.Repeat("x", 100_000), `\x00\u202e` + strings.Repeat("y", 100_000)} {
		if !strings.Contains(body, all) {
			t.Error("the whole is not on the page of the span")
		}
	}
	says(t, w.page(400, "/?q="+"%3Cscript%3Ealert(1)%3C/script%3E"), "is not TraceQL")
}

func TestCompare(t *testing.T) {
	w := newWorld(t, nil)
	w.keep(began(), checkout(1, 50*ms)...)
	w.keep(began(), append(checkout(2, 150*ms), aSpan{trace: 2, id: 4, parent: 1, service: "web", name: "extra", from: 1 * ms, to: 2 * ms})...)
	body := w.page(200, "/trace/1?with=2")
	says(t, body, "Two traces", "+100 ms", "−100 ms", "not in it")
	if i, j := strings.Index(body, "payments"), strings.Index(body, "extra"); i < 0 || j < i {
		t.Error("what differs most does not come first")
	}
	w.page(404, "/trace/1?with=77")
	w.page(400, "/trace/1?with=zz")
	if answer := w.get("/?compare=1&compare=2"); answer.Code != 303 || answer.Header().Get("Location") != "/trace/1?with=2" {
		t.Errorf("the choice of two leads to %d %v", answer.Code, answer.Header())
	}
	says(t, w.page(200, "/?compare=1"), "Choose two traces to compare; 1 were chosen.")
}
