package querier

import (
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// spanMaker makes spans of traces that go on from one record to the next.
type spanMaker struct {
	*rand.Rand
	traces []*madeTrace
	start  int64 // of the first trace, Unix nanoseconds
}

// madeTrace is a trace so far.
type madeTrace struct {
	id    [16]byte
	spans []byte // ids; 0 is a parent that is never there
}

var (
	madeKeys  = []string{"a", "b", "c", "http.method", "http.status_code"}
	madeNames = []string{"", "get", "put", "GET /x"}
)

// record makes spans of a few traces, some of them begun in earlier records.
func (m *spanMaker) record(t testing.TB) []byte {
	out := ptrace.NewTraces()
	for range 1 + m.IntN(5) {
		var trace *madeTrace
		if len(m.traces) == 0 || m.IntN(3) == 0 {
			n := len(m.traces) + 1
			trace = &madeTrace{id: [16]byte{byte(m.Uint32()), byte(m.Uint32()), 15: byte(n), 14: byte(n >> 8)}}
			m.traces = append(m.traces, trace)
		} else {
			// Mostly one of the last.
			trace = m.traces[max(0, len(m.traces)-1-m.IntN(1+m.IntN(20)))]
		}
		m.span(out, trace)
	}
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (m *spanMaker) span(out ptrace.Traces, trace *madeTrace) {
	rs := out.ResourceSpans().AppendEmpty()
	m.attrs(rs.Resource().Attributes(), 2)
	if m.IntN(4) > 0 {
		rs.Resource().Attributes().PutStr("service.name", []string{"s1", "s2"}[m.IntN(2)])
	}
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName([]string{"", "lib"}[m.IntN(2)])
	ss.Scope().SetVersion([]string{"", "1"}[m.IntN(2)])
	m.attrs(ss.Scope().Attributes(), 1)
	s := ss.Spans().AppendEmpty()
	id := byte(len(trace.spans) + 1)
	s.SetTraceID(trace.id)
	s.SetSpanID(madeID(id))
	switch {
	case id == 1 && m.IntN(5) > 0: // a root, of which there is one at most
	case m.IntN(12) == 0:
		s.SetParentSpanID(madeID(200))
	default:
		s.SetParentSpanID(madeID(1 + byte(m.IntN(int(id)))))
	}
	trace.spans = append(trace.spans, id)
	s.SetName(madeNames[m.IntN(len(madeNames))])
	s.SetKind(ptrace.SpanKind(m.IntN(6)))
	s.Status().SetCode(ptrace.StatusCode(m.IntN(3)))
	s.Status().SetMessage([]string{"", "bad"}[m.IntN(2)])
	start := m.start + int64(trace.id[15])*second + int64(m.IntN(1000))*1e6
	s.SetStartTimestamp(pcommon.Timestamp(start))
	s.SetEndTimestamp(pcommon.Timestamp(start + int64(m.IntN(50))*1e6))
	m.attrs(s.Attributes(), 4)
	for range m.IntN(3) {
		e := s.Events().AppendEmpty()
		e.SetName([]string{"", "e1", "e2"}[m.IntN(3)])
		e.SetTimestamp(pcommon.Timestamp(start + int64(m.IntN(20))*1e6))
		m.attrs(e.Attributes(), 2)
	}
	for range m.IntN(2) {
		l := s.Links().AppendEmpty()
		l.SetTraceID([16]byte{1, 1})
		l.SetSpanID(madeID(byte(1 + m.IntN(4))))
		m.attrs(l.Attributes(), 1)
	}
}

func madeID(n byte) [8]byte { return [8]byte{0xab, 0, 0, 0, 0, 0, 0, n} }

func (m *spanMaker) attrs(to pcommon.Map, most int) {
	for range m.IntN(most + 1) {
		key := madeKeys[m.IntN(len(madeKeys))]
		switch m.IntN(12) {
		case 0:
			to.PutEmptyBytes(key).FromRaw([]byte("x"))
		case 1:
			to.PutEmptySlice(key)
		case 2:
			array, kind := to.PutEmptySlice(key), m.IntN(4)
			for range 2 {
				m.value(array.AppendEmpty(), kind)
			}
		default:
			m.value(to.PutEmpty(key), m.IntN(5))
		}
	}
}

func (m *spanMaker) value(v pcommon.Value, kind int) {
	switch kind {
	case 0:
		v.SetInt(int64(m.IntN(4)))
	case 1:
		v.SetDouble([]float64{0, 0.5, 2, 404}[m.IntN(4)])
	case 2:
		v.SetBool(m.IntN(2) == 0)
	default:
		v.SetStr([]string{"", "x", "y", "GET", "404"}[m.IntN(5)])
	}
}
