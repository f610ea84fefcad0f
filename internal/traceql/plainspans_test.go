package traceql

import (
	"fmt"
	"math/rand/v2"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// plainSpan is a span as a struct, with all that a query can ask about it. It
// is what the naive evaluation of reference_test.go reads, and pdata's encoding
// of it what the engine reads.
type plainSpan struct {
	trace              [16]byte
	id, parent         byte // 0: none
	name, message      string
	kind, status       int64
	start, end         int64
	attrs, res, scope  plainAttrs
	scopeName, version string
	events             []plainEvent
	links              []plainLink

	service string // service.name, computed
	left, right, up, children,
	traceStart, traceEnd int64
	rootName, rootService string
}

// plainAttrs has a list of values for each key: several are an array, none is a
// value that queries do not see.
type plainAttrs map[string][]Value

type plainEvent struct {
	name  string
	since int64
	attrs plainAttrs
}

type plainLink struct {
	span  byte
	attrs plainAttrs
}

var (
	plainKeys  = []string{"a", "b", "c", "http.method", "http.status_code"}
	plainNames = []string{"", "get", "put", "GET /x"}
)

func randomValue(r *rand.Rand) Value {
	switch r.IntN(8) {
	case 0, 1:
		return IntValue(int64(r.IntN(4)))
	case 2, 3, 4:
		return StringValue([]string{"", "x", "y", "GET", "404"}[r.IntN(5)])
	case 5:
		return FloatValue([]float64{0, 0.5, 2, 404}[r.IntN(4)])
	default:
		return BoolValue(r.IntN(2) == 0)
	}
}

func randomAttrs(r *rand.Rand, most int) plainAttrs {
	attrs := plainAttrs{}
	for range r.IntN(most + 1) {
		key := plainKeys[r.IntN(len(plainKeys))]
		switch r.IntN(10) {
		case 0:
			attrs[key] = nil
		case 1:
			v := randomValue(r)
			other := randomValue(r)
			for other.Type != v.Type {
				other = randomValue(r)
			}
			attrs[key] = []Value{v, other}
		default:
			attrs[key] = []Value{randomValue(r)}
		}
	}
	return attrs
}

// randomTraces makes a few small traces, some of them without a root, with
// several, or with spans whose parent is missing.
func randomTraces(r *rand.Rand) [][]*plainSpan {
	var traces [][]*plainSpan
	for n := range 1 + r.IntN(4) {
		var spans []*plainSpan
		var resources []plainAttrs
		for i := range 1 + r.IntN(9) {
			s := &plainSpan{trace: [16]byte{1, byte(n + 1)}, id: byte(i + 1)}
			switch {
			case i == 0 && r.IntN(5) > 0, r.IntN(15) == 0:
			case r.IntN(12) == 0:
				s.parent = 200
			default:
				s.parent = byte(1 + r.IntN(i+1))
			}
			s.name = plainNames[r.IntN(len(plainNames))]
			s.kind, s.status = int64(r.IntN(6)), int64(r.IntN(3))
			s.message = []string{"", "bad"}[r.IntN(2)]
			s.start = int64(1e9 + n*1e9 + r.IntN(100)*1e6)
			s.end = s.start + int64(r.IntN(50))*1e6
			s.attrs = randomAttrs(r, 4)
			if len(resources) == 0 || r.IntN(3) == 0 {
				res := randomAttrs(r, 2)
				if r.IntN(4) > 0 {
					res["service.name"] = []Value{StringValue([]string{"s1", "s2"}[r.IntN(2)])}
				}
				resources = append(resources, res)
			}
			s.res = resources[r.IntN(len(resources))]
			s.scope = randomAttrs(r, 1)
			s.scopeName, s.version = []string{"", "lib"}[r.IntN(2)], []string{"", "1"}[r.IntN(2)]
			for range r.IntN(3) {
				s.events = append(s.events, plainEvent{[]string{"", "e1", "e2"}[r.IntN(3)],
					int64(r.IntN(20)) * 1e6, randomAttrs(r, 2)})
			}
			for range r.IntN(2) {
				s.links = append(s.links, plainLink{byte(1 + r.IntN(4)), randomAttrs(r, 1)})
			}
			spans = append(spans, s)
		}
		traces = append(traces, spans)
		complete(spans)
	}
	return traces
}

// complete computes what a span is in its trace.
func complete(spans []*plainSpan) {
	var root *plainSpan
	start, end := spans[0].start, spans[0].end
	for _, s := range spans {
		start, end = min(start, s.start), max(end, s.end)
		if v := s.res["service.name"]; len(v) > 0 && v[0].Type == TypeString {
			s.service = v[0].Str
		}
		if s.parent == 0 {
			root = s
		}
		for _, c := range spans {
			if c.parent == s.id {
				s.children++
			}
		}
	}
	for _, s := range spans {
		s.traceStart, s.traceEnd = start, end
		if root != nil {
			s.rootName, s.rootService = root.name, root.service
		}
	}
	counter := int64(0)
	var number func(s *plainSpan, up int64)
	number = func(s *plainSpan, up int64) {
		counter++
		s.left, s.up = counter, up
		for _, c := range stored(spans) {
			if c.parent == s.id && c != s {
				number(c, s.left)
			}
		}
		counter++
		s.right = counter
	}
	for _, s := range stored(spans) {
		if s.parent == 0 {
			number(s, -1)
		}
	}
}

// stored is the order of the spans in a batch: by resource and scope.
func stored(spans []*plainSpan) []*plainSpan {
	var out []*plainSpan
	taken := map[*plainSpan]bool{}
	for _, first := range spans {
		for _, second := range spans {
			if taken[second] || text(second.res) != text(first.res) {
				continue
			}
			for _, s := range spans {
				if !taken[s] && text(s.res) == text(first.res) && scopeText(s) == scopeText(second) {
					taken[s] = true
					out = append(out, s)
				}
			}
		}
	}
	return out
}

func text(a plainAttrs) string      { return fmt.Sprint(map[string][]Value(a)) }
func scopeText(s *plainSpan) string { return s.scopeName + "/" + s.version + "/" + text(s.scope) }

// encode makes a request of the spans, each with a resource and scope of its
// own.
func encode(spans []*plainSpan) []byte {
	t := ptrace.NewTraces()
	for _, s := range spans {
		rs := t.ResourceSpans().AppendEmpty()
		putAttrs(rs.Resource().Attributes(), s.res)
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName(s.scopeName)
		ss.Scope().SetVersion(s.version)
		putAttrs(ss.Scope().Attributes(), s.scope)
		span := ss.Spans().AppendEmpty()
		span.SetTraceID(s.trace)
		span.SetSpanID(plainID(s.id))
		if s.parent != 0 {
			span.SetParentSpanID(plainID(s.parent))
		}
		span.SetName(s.name)
		span.SetKind(ptrace.SpanKind(s.kind))
		span.Status().SetCode(ptrace.StatusCode(s.status))
		span.Status().SetMessage(s.message)
		span.SetStartTimestamp(pcommon.Timestamp(s.start))
		span.SetEndTimestamp(pcommon.Timestamp(s.end))
		putAttrs(span.Attributes(), s.attrs)
		for _, e := range s.events {
			event := span.Events().AppendEmpty()
			event.SetName(e.name)
			event.SetTimestamp(pcommon.Timestamp(s.start + e.since))
			putAttrs(event.Attributes(), e.attrs)
		}
		for _, l := range s.links {
			link := span.Links().AppendEmpty()
			link.SetTraceID([16]byte{1, 1})
			link.SetSpanID(plainID(l.span))
			putAttrs(link.Attributes(), l.attrs)
		}
	}
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(t)
	if err != nil {
		panic(err)
	}
	return b
}

func plainID(n byte) [8]byte { return [8]byte{0xab, 0, 0, 0, 0, 0, 0, n} }

// putAttrs writes keys in their order, so that equal attributes are equal bytes.
func putAttrs(m pcommon.Map, attrs plainAttrs) {
	for _, key := range append([]string{"service.name"}, plainKeys...) {
		values, ok := attrs[key]
		switch {
		case !ok:
		case len(values) == 0:
			m.PutEmptyBytes(key).FromRaw([]byte("x"))
		case len(values) == 1:
			putValue(m.PutEmpty(key), values[0])
		default:
			array := m.PutEmptySlice(key)
			for _, v := range values {
				putValue(array.AppendEmpty(), v)
			}
		}
	}
}

func putValue(to pcommon.Value, v Value) {
	switch v.Type {
	case TypeInt:
		to.SetInt(v.Num)
	case TypeFloat:
		to.SetDouble(v.Float())
	case TypeBool:
		to.SetBool(v.Num != 0)
	default:
		to.SetStr(v.Str)
	}
}
