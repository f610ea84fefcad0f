package rules

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// someRules are those of which each random request meets a few.
var someRules = []string{
	"drop attribute user", "hash attribute user", "cut attribute user to 2",
	"hash attribute note", "cut attribute note to 5", "cut attribute note to 9 where kind = client",
	"drop attribute http.request.header.*", "hash attribute *.name", "cut attribute h*e to 12", "drop attribute k where span.user = ann",
	"hash attribute host.name where resource.service.name = shop", "hash attribute status_code", "drop attribute thread.name",
	"drop attribute list where status != error", "hash attribute map where name =~ \"q.*\"", "cut attribute long to 100",
	"drop span where name = query", "drop span where span.status_code = 200 and kind != client", "drop span where resource.service.name =~ \"a.*\"",
	"preset secrets",
}

// random makes requests, and chooses the rules for them.
type random struct{ *rand.Rand }

func (r random) of(texts ...string) string { return texts[r.IntN(len(texts))] }

func (r random) rules() (some []string) {
	for _, i := range r.Perm(len(someRules))[:1+r.IntN(10)] {
		some = append(some, someRules[i])
	}
	return some
}

func (r random) text() string {
	switch r.IntN(8) {
	case 0:
		return fmt.Sprintf(secretTexts[r.IntN(len(secretTexts))], fmt.Sprint("S3CRET", r.Uint32()))
	case 1:
		return strings.Repeat(r.of("x", "word ", "é", "a=b&", "token "), r.IntN(300)) + r.of("", "password=abc", " end")
	case 2:
		return fmt.Sprint(r.Uint64())
	case 3:
		return r.of("SELECT 'a' FROM b WHERE c = 'd'", "status_code=200 for user: ann", "http://host:80/a?b=c#d", "a@b: c", "äöü é")
	}
	return r.of("", "ann", "bob", "GET /api/v1/products/{id}", "shop", "a-1", "10.42.17.201")
}

func (r random) attributes(m pcommon.Map, depth int) {
	for range r.IntN(7) {
		key := r.of("user", "note", "k", "list", "map", "long", "status_code", "thread.name", "host.name", "service.name", "http.request.header.x-a",
			"http.request.header.Cookie", "apiKey", "db.password", "", strings.Repeat("n", 118)+".name", strings.Repeat("k", 125))
		r.value(m.PutEmpty(key), depth)
	}
}

func (r random) value(v pcommon.Value, depth int) {
	switch kind := r.IntN(14); {
	case kind == 0:
		v.SetBool(r.IntN(2) == 0)
	case kind == 1:
		v.SetInt(int64(r.Uint64()))
	case kind == 2:
		v.SetDouble(r.Float64())
	case kind == 3:
		v.SetEmptyBytes().FromRaw([]byte(r.text()))
	case kind == 4 && depth < 3:
		for list := v.SetEmptySlice(); list.Len() < 3; {
			r.value(list.AppendEmpty(), depth+1)
		}
	case kind == 5 && depth < 3:
		r.attributes(v.SetEmptyMap(), depth+1)
	case kind == 6:
		v.SetInt(200)
	case kind > 6:
		v.SetStr(r.text())
	}
}

func (r random) request() ptrace.Traces {
	td := ptrace.NewTraces()
	spans := uint32(0)
	for range 1 + r.IntN(3) {
		rs := td.ResourceSpans().AppendEmpty()
		rs.SetSchemaUrl(r.text())
		r.attributes(rs.Resource().Attributes(), 0)
		rs.Resource().Attributes().PutStr("service.name", r.of("shop", "api", "db"))
		for range r.IntN(3) {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.SetSchemaUrl(r.text())
			ss.Scope().SetName(r.text())
			ss.Scope().SetVersion(r.text())
			r.attributes(ss.Scope().Attributes(), 0)
			for range r.IntN(6) {
				r.span(ss.Spans().AppendEmpty(), spans)
				spans++
			}
		}
	}
	return td
}

// span is number n; its parent is one of those before it, or none.
func (r random) span(s ptrace.Span, n uint32) {
	s.SetTraceID(pcommon.TraceID{1})
	s.SetSpanID(pcommon.SpanID{1, byte(n)})
	if n > 0 && r.IntN(4) > 0 {
		s.SetParentSpanID(pcommon.SpanID{1, byte(r.Uint32N(n))})
	}
	s.SetName(r.of("query", "fetch", "GET /ping", r.text()))
	s.SetKind(ptrace.SpanKind(r.IntN(6)))
	s.SetStartTimestamp(pcommon.Timestamp(r.Uint64()))
	s.SetFlags(r.Uint32N(3))
	s.SetDroppedLinksCount(r.Uint32N(300))
	s.TraceState().FromRaw(r.text())
	s.Status().SetCode(ptrace.StatusCode(r.IntN(3)))
	s.Status().SetMessage(r.text())
	r.attributes(s.Attributes(), 0)
	for range r.IntN(3) {
		e := s.Events().AppendEmpty()
		e.SetName(r.text())
		r.attributes(e.Attributes(), 0)
	}
	for range r.IntN(2) {
		l := s.Links().AppendEmpty()
		l.SetTraceID(pcommon.TraceID{2})
		l.SetSpanID(pcommon.SpanID{2})
		l.TraceState().FromRaw(r.text())
		r.attributes(l.Attributes(), 0)
	}
}

// keyFirst encodes as the SDKs do, where the Collector writes values before keys.
func keyFirst(t testing.TB) func(ptrace.Traces) []byte {
	return func(td ptrace.Traces) []byte {
		var request trace.TracesData // of the same fields
		if err := proto.Unmarshal(marshal(t, td), &request); err != nil {
			t.Fatal(err)
		}
		b, err := proto.Marshal(&request)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// Rules on the bytes of a request come to the same as rules on decoded spans.
func sameAsDecoded(t *testing.T, seed uint64) {
	r := random{rand.New(rand.NewPCG(seed, 1))}
	encode := keyFirst(t)
	if seed%2 == 0 {
		encode = func(td ptrace.Traces) []byte { return marshal(t, td) }
	}
	texts := r.rules()
	set := mustNew(t, texts...)
	want := r.request()
	got, counts := apply(t, set, encode(want))
	plain := &reference{rules: set.rules, encode: encode}
	plain.apply(want)
	if a, b := marshal(t, got), marshal(t, want); !bytes.Equal(a, b) {
		one, _ := (&ptrace.JSONMarshaler{}).MarshalTraces(got)
		two, _ := (&ptrace.JSONMarshaler{}).MarshalTraces(want)
		t.Fatalf("seed %d, rules %q, on bytes and on decoded spans:\n%s\n%s", seed, texts, one, two)
	}
	if counts.Dropped != plain.counts.Dropped || counts.Changed != plain.counts.Changed {
		t.Fatalf("seed %d, rules %q: counted %v dropped and %v changed, want %v and %v", seed, texts, counts.Dropped[:len(texts)], counts.Changed[:len(texts)],
			plain.counts.Dropped[:len(texts)], plain.counts.Changed[:len(texts)])
	}
}

func TestSameAsOnDecodedSpans(t *testing.T) {
	for seed := range uint64(1500) {
		sameAsDecoded(t, seed)
	}
}

func FuzzSameAsOnDecodedSpans(f *testing.F) {
	f.Add(uint64(1 << 40))
	f.Fuzz(sameAsDecoded)
}
