package otlpwire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/encoding/protowire"
)

// fails is what the checks need of testing.T and rapid.T.
type fails interface {
	Helper()
	Fatalf(format string, args ...any)
}

// verdictFor spreads verdicts over spans by their trace ids.
func verdictFor(trace []byte) Verdict {
	states := [][]byte{nil, []byte("ot=th:8"), []byte("ot=th:fd70a;rv:0123456789abcd,vendor=" + strings.Repeat("v", 120))}
	switch n := trace[15]; {
	case n%4 == 0:
		return drop
	case n%4 == 1:
		return keep
	default:
		return Verdict{Keep: true, Rewrite: true, TraceState: states[int(n/4)%3]}
	}
}

// pdataSpans lists the spans of a decoded request, each encoded with its resource
// and scope; change is applied to each first and may say to leave it out.
func pdataSpans(f fails, req ptraceotlp.ExportRequest, change func(ptrace.Span) bool) []string {
	f.Helper()
	var all []string
	eachSpan(req, func(rs ptrace.ResourceSpans, ss ptrace.ScopeSpans, sp ptrace.Span) {
		one := ptrace.NewTraces()
		rs1 := one.ResourceSpans().AppendEmpty()
		rs.Resource().CopyTo(rs1.Resource())
		rs1.SetSchemaUrl(rs.SchemaUrl())
		ss1 := rs1.ScopeSpans().AppendEmpty()
		ss.Scope().CopyTo(ss1.Scope())
		ss1.SetSchemaUrl(ss.SchemaUrl())
		sp1 := ss1.Spans().AppendEmpty()
		sp.CopyTo(sp1)
		if !change(sp1) {
			return
		}
		b, err := ptraceotlp.NewExportRequestFromTraces(one).MarshalProto()
		if err != nil {
			f.Fatalf("pdata: %v", err)
		}
		all = append(all, string(b))
	})
	return all
}

func eachSpan(req ptraceotlp.ExportRequest, do func(ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span)) {
	for _, rs := range req.Traces().ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				do(rs, ss, sp)
			}
		}
	}
}

// pdataSees is what Walk has to show of each span, by pdata.
func pdataSees(req ptraceotlp.ExportRequest) []seen {
	var all []seen
	eachSpan(req, func(rs ptrace.ResourceSpans, _ ptrace.ScopeSpans, sp ptrace.Span) {
		s := seen{
			TraceState: sp.TraceState().AsRaw(), Name: sp.Name(), Flags: sp.Flags(), Kind: int32(sp.Kind()), StatusCode: int32(sp.Status().Code()),
			StartTime: uint64(sp.StartTimestamp()), EndTime: uint64(sp.EndTimestamp()),
		}
		if id := sp.TraceID(); !id.IsEmpty() {
			s.TraceID = string(id[:])
		}
		if id := sp.SpanID(); !id.IsEmpty() {
			s.SpanID = string(id[:])
		}
		if id := sp.ParentSpanID(); !id.IsEmpty() {
			s.ParentSpanID = string(id[:])
		}
		if v, ok := rs.Resource().Attributes().Get("service.name"); ok && v.Type() == pcommon.ValueTypeStr {
			s.Service, s.HasService = v.Str(), true
		}
		if v, ok := sp.Attributes().Get("sampling.priority"); ok {
			s.Priority, s.HasPriority = pdataNumber(v)
		}
		all = append(all, s)
	})
	return all
}

func pdataNumber(v pcommon.Value) (float64, bool) {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return float64(v.Int()), true
	case pcommon.ValueTypeDouble:
		if !math.IsNaN(v.Double()) {
			return v.Double(), true
		}
	case pcommon.ValueTypeStr:
		s := v.Str()
		if json.Valid([]byte(s)) && strings.Trim(s, "-+.eE0123456789") == "" {
			if f, err := strconv.ParseFloat(s, 64); err == nil {
				return f, true
			}
		}
	}
	return 0, false
}

// stricter are the reasons for which Filter refuses what protobuf accepts.
var stricter = []problem{
	// protobuf takes such a field for an unknown one; pdata refuses it too
	wrongType,
	fieldTooBig,                // within a group, where protobuf does not look
	nestedGroups, nestedValues, // MaxDepth
	manySpans, manyContainers, manyAttributes, // MaxSpans, MaxAttributes
}

// checkFilter holds Filter and Walk against protobuf, pdata and the reference.
func checkFilter(f fails, body []byte) {
	f.Helper()
	var l Limits
	before := slices.Clone(body)
	var walked []seen
	wn, werr := l.Walk(body, func(sp *Span) { walked = append(walked, see(sp)) })
	out, n, err := l.Filter(nil, body, func(sp *Span) Verdict { return verdictFor(sp.TraceID) })
	if !bytes.Equal(before, body) {
		f.Fatalf("the request was written to")
	}
	protobuf := protobufSays(body)

	if (werr == nil) != (err == nil) {
		f.Fatalf("Walk says %v, Filter %v", werr, err)
	}
	if err != nil {
		var se *scanError
		if !errors.As(err, &se) || se.offset < 0 || se.offset > len(body) {
			f.Fatalf("bad error %v", err)
		}
		if protobuf != nil {
			return
		}
		if !slices.Contains(stricter, se.what) {
			f.Fatalf("Filter says %v, protobuf accepts", err)
		}
		if _, perr := pdataDecodes(forPdata(body)); perr == nil && se.what == wrongType {
			f.Fatalf("Filter says %v, protobuf and pdata accept", err)
		}
		return
	}
	if protobuf != nil {
		f.Fatalf("Filter accepts, protobuf says %v", protobuf)
	}
	req, perr := pdataDecodes(forPdata(body))
	if perr != nil && (wn.Invalid == 0 || !strings.Contains(perr.Error(), "ID length")) {
		f.Fatalf("Filter accepts, pdata says %v", perr)
	}

	want, wantN := refFilter(body, verdictFor)
	if !bytes.Equal(out, want) {
		f.Fatalf("got  %x\nwant %x", out, want)
	}
	if n.Spans != wantN.Spans || n.Kept != wantN.Kept || n.Dropped != wantN.Dropped || n.Invalid != wantN.Invalid {
		f.Fatalf("got %+v, want %+v", n, wantN)
	}
	if wn.Spans != n.Spans || wn.Invalid != n.Invalid || wn.FirstInvalid != n.FirstInvalid || wn.FirstInvalidIndex != n.FirstInvalidIndex || len(walked) != wn.Spans {
		f.Fatalf("Walk counts %+v, Filter %+v", wn, n)
	}

	if err := protobufSays(out); err != nil {
		f.Fatalf("protobuf refuses the result: %v", err)
	}
	result, err := pdataDecodes(forPdata(out))
	if err != nil {
		f.Fatalf("pdata refuses the result: %v", err)
	}
	if perr != nil || mixesScopeSpans(body) {
		return
	}
	index := -1
	expected := pdataSpans(f, req, func(sp ptrace.Span) bool {
		index++
		id := sp.TraceID()
		if walked[index].Invalid != 0 {
			return false
		}
		v := verdictFor(id[:])
		if v.Rewrite {
			sp.TraceState().FromRaw(string(v.TraceState))
		}
		return v.Keep
	})
	got := pdataSpans(f, result, func(ptrace.Span) bool { return true })
	if !slices.Equal(got, expected) {
		f.Fatalf("decoded, the kept spans differ\ngot  %x\nwant %x", got, expected)
	}
	for i, want := range pdataSees(req) {
		got := walked[i]
		got.Invalid = 0
		for _, id := range []*string{&got.TraceID, &got.SpanID, &got.ParentSpanID} {
			if strings.Trim(*id, "\x00") == "" {
				*id = "" // pdata does not tell zero from absent
			}
		}
		if got != want {
			f.Fatalf("span %d: got  %+v\npdata has %+v", i, got, want)
		}
	}
}

func pdataDecodes(body []byte) (ptraceotlp.ExportRequest, error) {
	req := ptraceotlp.NewExportRequest()
	err := req.UnmarshalProto(body)
	return req, err
}

// mixesScopeSpans says whether a ResourceSpans has ScopeSpans of both names, of
// which pdata loses the deprecated.
func mixesScopeSpans(body []byte) bool {
	for _, rs := range split(body) {
		if rs.number != 1 {
			continue
		}
		found := map[protowire.Number]bool{}
		for _, f := range split(rs.content) {
			found[f.number] = true
		}
		if found[2] && found[1000] {
			return true
		}
	}
	return false
}

func TestBenchRequestAgainstPdata(t *testing.T) { checkFilter(t, benchRequest(t, 100)) }
