package rules

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sys/unix"

	"appliance/internal/otlpwire"
)

func mustNew(t testing.TB, texts ...string) *Set {
	t.Helper()
	s, err := New(texts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func marshal(t testing.TB, td ptrace.Traces) []byte {
	t.Helper()
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// apply returns what rules leave, as a reader sees it.
func apply(t testing.TB, s *Set, body []byte) (ptrace.Traces, Counts) {
	t.Helper()
	var counts Counts
	before := bytes.Clone(body)
	out, _, err := s.Apply(nil, body, &counts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, body) {
		t.Fatal("the request itself was written to")
	}
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(out)
	if err != nil {
		t.Fatalf("what is left is not a request: %v", err)
	}
	if _, err := new(otlpwire.Limits).Walk(out, func(*otlpwire.Span) {}); err != nil {
		t.Fatal(err)
	}
	return td, counts
}

func spanNames(td ptrace.Traces) (names []string) {
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				names = append(names, s.Name())
			}
		}
	}
	return names
}

// shop has three spans of one trace: GET /ping of a server, below it a query, below that a fetch.
func shop() ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "shop")
	rs.Resource().Attributes().PutStr("host.name", "node-1")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("lib")
	ss.Scope().Attributes().PutStr("short", "x")
	for i, name := range []string{"GET /ping", "query", "fetch"} {
		s := ss.Spans().AppendEmpty()
		s.SetName(name)
		s.SetKind(ptrace.SpanKind(2 + i%2))
		s.SetTraceID(pcommon.TraceID{1})
		s.SetSpanID(pcommon.SpanID{byte(1 + i)})
		if i > 0 {
			s.SetParentSpanID(pcommon.SpanID{byte(i)})
		}
		s.Attributes().PutStr("user", "ann")
		s.Attributes().PutInt("http.response.status_code", int64(200+i))
		s.Attributes().PutStr("note", "äöü and more")
		e := s.Events().AppendEmpty()
		e.SetName("event")
		e.Attributes().PutStr("user", "ann")
		l := s.Links().AppendEmpty()
		l.SetTraceID(pcommon.TraceID{9})
		l.SetSpanID(pcommon.SpanID{9})
		l.Attributes().PutStr("user", "ann")
	}
	return td
}

func TestAttributes(t *testing.T) {
	const all = 3 // spans
	for _, tt := range []struct {
		rule    string
		key     string
		want    any // nil: gone; else what the span, the event and the link have
		changed int
		spans   int // of those that it concerns
	}{
		{"drop attribute user", "user", nil, 3 * all, all},
		{"drop attribute us*", "user", nil, 3 * all, all},
		{"drop attribute *ser", "user", nil, 3 * all, all},
		{"drop attribute use", "user", "ann", 0, all},
		{"hash attribute user", "user", "49915e0d7d4b402e", 3 * all, all},
		{"cut attribute note to 3", "note", "ä", all, all},
		{"cut attribute note to 4", "note", "äö", all, all},
		{"cut attribute note to 400", "note", "äöü and more", 0, all},
		{`drop attribute user where name = query`, "user", nil, 3, 1},
		{`drop attribute user where name =~ "q.*|fetch"`, "user", nil, 6, 2},
		{`drop attribute user where name !~ ".*e.*"`, "user", nil, 3, 1},
		{`drop attribute user where kind = client`, "user", nil, 3, 1},
		{`drop attribute user where kind != client and span.http.response.status_code = 202`, "user", nil, 3, 1},
		{`drop attribute user where resource.service.name = shop`, "user", nil, 9, all},
		{`drop attribute user where resource.service.name != shop`, "user", "ann", 0, all},
		{`drop attribute user where resource.absent != x`, "user", "ann", 0, all},
		{`drop attribute user where status = error`, "user", "ann", 0, all},
		{`drop attribute user where status = unset`, "user", nil, 9, all},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			td, counts := apply(t, mustNew(t, tt.rule), marshal(t, shop()))
			if got := int(counts.Changed[0]); got != tt.changed {
				t.Errorf("counted %d changes, want %d", got, tt.changed)
			}
			as := 0
			for _, s := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
				v, there := s.Attributes().Get(tt.key)
				if there == (tt.want != nil) && (!there || v.AsString() == tt.want) {
					as++
				}
			}
			if as != tt.spans {
				t.Errorf("%d spans are as wanted, want %d: %v", as, tt.spans, td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().AsRaw())
			}
		})
	}
}

func TestResourceAndScopeHaveAttributesToo(t *testing.T) {
	td, counts := apply(t, mustNew(t, "drop attribute host.name", "hash attribute short", `drop attribute service.name where name = query`), marshal(t, shop()))
	rs := td.ResourceSpans().At(0)
	if got, want := rs.Resource().Attributes().AsRaw(), map[string]any{"service.name": "shop"}; !cmp.Equal(got, want) {
		t.Errorf("the resource has %v", got)
	}
	if v, _ := rs.ScopeSpans().At(0).Scope().Attributes().Get("short"); v.Str() != "2d711642b726b044" {
		t.Errorf("the scope has %q", v.Str())
	}
	if counts.Changed[0] != 1 || counts.Changed[1] != 1 || counts.Changed[2] != 0 {
		t.Errorf("counted %v", counts.Changed[:3])
	}
}

func TestDroppedSpansGiveTheirChildrenAway(t *testing.T) {
	for _, tt := range []struct {
		rules []string
		want  map[string]pcommon.SpanID // parents of what stays
	}{
		{[]string{`drop span where name = query`}, map[string]pcommon.SpanID{"GET /ping": {}, "fetch": {1}}},
		{[]string{`drop span where name = "GET /ping"`}, map[string]pcommon.SpanID{"query": {}, "fetch": {2}}},
		{[]string{`drop span where name = "GET /ping"`, `drop span where name = query`}, map[string]pcommon.SpanID{"fetch": {}}},
		{[]string{`drop span where resource.service.name = shop`}, map[string]pcommon.SpanID{}},
	} {
		for _, backwards := range []bool{false, true} {
			in := shop()
			if backwards {
				spans := in.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
				spans.Sort(func(a, b ptrace.Span) bool { return a.SpanID()[0] > b.SpanID()[0] })
			}
			td, counts := apply(t, mustNew(t, tt.rules...), marshal(t, in))
			got := map[string]pcommon.SpanID{}
			for _, rs := range td.ResourceSpans().All() {
				for _, s := range rs.ScopeSpans().At(0).Spans().All() {
					got[s.Name()] = s.ParentSpanID()
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("%q, backwards %v: %s", tt.rules, backwards, d)
			}
			if counts.Spans() != 3-len(tt.want) {
				t.Errorf("%q: counted %d dropped spans", tt.rules, counts.Spans())
			}
			if len(tt.want) == 0 && td.ResourceSpans().Len() > 0 {
				t.Error("an empty ResourceSpans stays")
			}
		}
	}
}

func TestParentsInACircle(t *testing.T) {
	in := shop()
	spans := in.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	spans.At(0).SetParentSpanID(pcommon.SpanID{2})
	td, _ := apply(t, mustNew(t, `drop span where name != fetch`), marshal(t, in))
	if got := spanNames(td); !cmp.Equal(got, []string{"fetch"}) {
		t.Errorf("%q stay", got)
	}
}

func TestMistakes(t *testing.T) {
	for rule, want := range map[string]string{
		"":                                  "write",
		"drop":                              "write",
		"preset nothing":                    "write",
		"preset secrets where name = x":     "stands alone",
		"drop span":                         "which spans",
		"drop attribute":                    "not the key",
		"drop attribute a*b*":               "not the key",
		"drop attribute a b":                `only "where"`,
		"cut attribute a":                   "how many bytes",
		"cut attribute a to x":              "how many bytes",
		"drop span where":                   "of the form",
		"drop span where name":              "of the form",
		"drop span where name > x":          "none of",
		"drop span where colour = x":        "none of name",
		"drop span where kind = red":        "a name such as server",
		"drop span where kind =~ server":    "a name such as server",
		"drop span where name =~ \"(\"":     "not a regular expression",
		"drop span where name = \"x":        "does not end",
		"drop span where name = x or y = z": `only "and"`,
	} {
		if _, err := New([]string{"preset secrets", rule}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", rule, err, want)
		}
	}
	if _, err := New([]string{"preset secrets", " preset secrets"}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("twice the same: %v", err)
	}
	if s, err := New(nil); s != nil || err != nil {
		t.Errorf("nothing: %v, %v", s, err)
	}
}

// What no rule concerns stays byte for byte, and no request is read otherwise
// than the scanner reads it.
func TestNothingElseChanges(t *testing.T) {
	s := mustNew(t, "drop attribute nobody.has.this", `drop span where name = "nobody"`, "hash attribute neither", "preset traefik")
	// unknown fields, one a group
	body := append(marshal(t, shop()), 0xba, 0x3e, 3, 'n', 'e', 'w', 0x0b, 0x08, 1, 0x0c)
	var counts Counts
	out, changed, err := s.Apply(nil, body, &counts, nil)
	if err != nil || changed || &out[0] != &body[0] || counts != (Counts{}) {
		t.Errorf("something was changed: %v, %v", err, counts)
	}
}

func FuzzApply(f *testing.F) {
	f.Add(marshal(f, shop()))
	f.Add([]byte{0x0a, 0x04, 0x12, 0x02, 0x12, 0x00})
	set := mustNew(f, "preset secrets", "preset traefik", "drop attribute user", "hash attribute note", "cut attribute short to 1", `drop span where name = query and span.user = ann`)
	decoded := mustNew(f, "preset secrets", "drop attribute user", "cut attribute note to 3", "cut attribute k* to 1", "drop span where name = query")
	f.Add(benchBody(f)[:2000])
	f.Fuzz(func(t *testing.T, body []byte) {
		limits := new(otlpwire.Limits)
		n, scanErr := limits.Walk(body, func(*otlpwire.Span) {})
		var counts Counts
		out, _, err := set.Apply(nil, body, &counts, nil)
		if err != nil {
			if scanErr == nil {
				t.Fatalf("refused what the scanner takes: %v", err)
			}
			return
		}
		if scanErr != nil {
			return
		}
		if n.Invalid == 0 {
			asDecoded(t, decoded, body)
		}
		left, err := limits.Walk(out, func(*otlpwire.Span) {})
		if err != nil {
			t.Fatalf("what is left is not a request: %v", err)
		}
		if left.Spans != n.Spans-counts.Spans() {
			t.Fatalf("of %d spans %d were dropped and %d are left", n.Spans, counts.Spans(), left.Spans)
		}
		again, _, err := set.Apply(nil, out, &counts, nil)
		if err != nil || bytes.Contains(again, []byte("\x0a\x04user")) && !bytes.Contains(out, []byte("\x0a\x04user")) {
			t.Fatal(err)
		}
	})
}

// asDecoded holds that however oddly a request is encoded, its readers see what
// rules make of it as they see it.
func asDecoded(t *testing.T, set *Set, body []byte) {
	want, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
	if err != nil || bytes.Contains(body, []byte{0xc2, 0x3e}) { // ScopeSpans by another number
		return
	}
	(&reference{rules: set.rules}).apply(want)
	if got, _ := apply(t, set, body); !bytes.Equal(marshal(t, got), marshal(t, want)) {
		t.Fatalf("%x became %x, and decoded %x", body, marshal(t, got), marshal(t, want))
	}
}

func TestRefusedAsAWhole(t *testing.T) {
	deep := func(n int) []byte {
		v := pcommon.NewValueStr("x")
		for range n {
			outer := pcommon.NewValueSlice()
			v.CopyTo(outer.Slice().AppendEmpty())
			v = outer
		}
		td := shop()
		v.CopyTo(td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().PutEmpty("deep"))
		return marshal(t, td)
	}
	s := mustNew(t, "preset secrets", "preset traefik")
	for name, tt := range map[string]struct {
		body []byte
		want error
	}{
		"cut":                {marshal(t, shop())[:80], otlpwire.ErrMalformed},
		"deep":               {deep(50), otlpwire.ErrTooDeep},
		"as deep as allowed": {deep(49), nil},
		"spans":              {[]byte{}, nil},
	} {
		var counts Counts
		if _, _, err := s.Apply(nil, tt.body, &counts, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := bytes.Repeat([]byte{0x12, 0x00}, maxSpans+1)
	ss := append(fmt.Appendf(nil, "\x12%s", varint(len(empty))), empty...)
	body := append(fmt.Appendf(nil, "\x0a%s", varint(len(ss))), ss...)
	var counts Counts
	if _, _, err := s.Apply(nil, body, &counts, nil); !errors.Is(err, otlpwire.ErrTooMany) {
		t.Errorf("too many spans: %v", err)
	}
}

func varint(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// benchBody has spans as an instrumented shop sends them.
func benchBody(b testing.TB) []byte {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "checkout")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 512 {
		s := spans.AppendEmpty()
		s.SetTraceID(pcommon.TraceID{byte(rng.Int()), 1, 15: byte(rng.Int())})
		s.SetSpanID(pcommon.SpanID{byte(rng.Int()), 7: byte(rng.Int())})
		s.SetParentSpanID(pcommon.SpanID{1, 7: byte(rng.Int())})
		s.SetName("GET /api/v1/products/{id}")
		s.SetStartTimestamp(1_700_000_000_000_000_000)
		s.SetEndTimestamp(1_700_000_000_050_000_000)
		a := s.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("url.path", fmt.Sprintf("/api/v1/products/%010X", i*i*i))
		a.PutStr("server.address", "frontend.shop.example.com")
		a.PutInt("http.response.status_code", 200)
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)")
		a.PutStr("network.peer.address", fmt.Sprintf("10.42.17.%d", 200+i%16))
	}
	return marshal(b, td)
}

func BenchmarkApply(b *testing.B) {
	body := benchBody(b)
	ten := []string{"drop attribute user_agent.original", "drop attribute http.request.header.x-a", "hash attribute enduser.id", "drop attribute client.address",
		"hash attribute network.peer.address", "drop attribute process.command_line", "cut attribute db.query.text to 500", "drop attribute url.query",
		"cut attribute exception.stacktrace to 4000", "drop attribute thread.name"}
	none := []string{"drop attribute a.b", "drop attribute http.request.header.x-a", "hash attribute enduser.id", "drop attribute client.address",
		"hash attribute source.address", "drop attribute process.command_line", "cut attribute db.query.text to 500", "drop attribute url.query",
		"cut attribute exception.stacktrace to 4000", "drop attribute thread.name"}
	drops := append([]string{"drop attribute user_agent.original", "drop attribute server.address"}, none[2:]...)
	paths := append([]string{"drop attribute user_agent.original", "hash attribute url.path"}, none[2:]...)
	dst := make([]byte, 0, 2*len(body))
	for _, x := range []struct {
		name  string
		rules []string
	}{
		{"ten by key, one drops, one hashes 16 values", ten}, {"ten by key, one drops, one hashes 512 values", paths},
		{"ten by key, two drop", drops}, {"ten by key, none hit", none}, {"secrets", []string{"preset secrets"}}, {"traefik", []string{"preset traefik"}},
	} {
		b.Run(x.name, func(b *testing.B) {
			set := mustNew(b, x.rules...)
			b.ReportAllocs()
			perSpan(b, func() {
				var counts Counts
				if _, _, err := set.Apply(dst, body, &counts, nil); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
	b.Run("the scanner, for comparison", func(b *testing.B) {
		perSpan(b, func() {
			keep := func(*otlpwire.Span) otlpwire.Verdict { return otlpwire.Verdict{Keep: true} }
			if _, _, err := new(otlpwire.Limits).Filter(dst, body, keep); err != nil {
				b.Fatal(err)
			}
		})
	})
}

// perSpan reports CPU time, which other programs on the machine do not take part in.
func perSpan(b *testing.B, do func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cpu := func() int64 {
		var used unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &used); err != nil {
			b.Fatal(err)
		}
		return used.Utime.Nano() + used.Stime.Nano()
	}
	before := cpu()
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/512, "cpu-ns/span")
}
