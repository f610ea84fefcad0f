package spancopy

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/block"
	"appliance/internal/block/blocktest"
	"appliance/internal/otlpwire"
)

// keys are those of all spans of a request.
func keys(t *testing.T, request []byte) (out []string) {
	t.Helper()
	each := func(message []byte, visit func(number uint32, value []byte)) {
		f := otlpwire.NewFields(message)
		for f.Next() {
			visit(f.Tag>>3, f.Bytes)
		}
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
	}
	each(request, func(_ uint32, rs []byte) {
		var resource []byte
		each(rs, func(n uint32, v []byte) {
			if n == 1 {
				resource = v
			}
		})
		each(rs, func(n uint32, ss []byte) {
			if n != 2 {
				return
			}
			var scope []byte
			each(ss, func(n uint32, v []byte) {
				if n == 1 {
					scope = v
				}
			})
			each(ss, func(n uint32, v []byte) {
				if n == 2 {
					out = append(out, string(AppendKey(nil, v, scope, resource)))
				}
			})
		})
	})
	return out
}

// TestABlockKeepsKeys writes spans into a block and reads them back: in another
// encoding, which has the same keys.
func TestABlockKeepsKeys(t *testing.T) {
	load := blocktest.NewLoad(1, 2000)
	dir, id := t.TempDir(), "11111111-1111-4111-8111-111111111111"
	b, err := block.NewBuilder(block.BuilderOptions{Dir: dir, Tenant: "t", BlockID: id})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for {
		record, _ := load.Next()
		if record == nil {
			break
		}
		want = append(want, keys(t, record)...)
		if err := b.Add(record); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	src := block.OpenDir(filepath.Join(dir, "t", id))
	defer src.Close()
	open, err := block.Open(t.Context(), src, block.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for data, err := range open.Traces(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, keys(t, data)...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) || len(slices.Compact(want)) < 2000 {
		t.Errorf("%d keys went in, %d came out, and they differ", len(want), len(got))
	}
}

// TestWhatCounts changes one thing after the other.
func TestWhatCounts(t *testing.T) {
	make := func(change func(ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span)) string {
		traces := ptrace.NewTraces()
		rs := traces.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("host", "a")
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("lib")
		s := ss.Spans().AppendEmpty()
		s.SetTraceID([16]byte{1})
		s.SetSpanID([8]byte{2})
		s.SetName("name")
		s.SetStartTimestamp(5)
		s.SetEndTimestamp(9)
		s.Attributes().PutStr("k", "v")
		s.Attributes().PutInt("n", 0)
		s.Attributes().PutEmptySlice("list").AppendEmpty().SetInt(1)
		e := s.Events().AppendEmpty()
		e.SetName("event")
		l := s.Links().AppendEmpty()
		l.SetSpanID([8]byte{7})
		change(rs, ss, s)
		data, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
		if err != nil {
			t.Fatal(err)
		}
		return keys(t, data)[0]
	}
	nothing := make(func(ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span) {})
	for name, change := range map[string]func(ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span){
		"order": func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) {
			first := pcommon.NewValueEmpty()
			v, _ := s.Attributes().Get("k")
			v.CopyTo(first)
			s.Attributes().Remove("k")
			first.CopyTo(s.Attributes().PutEmpty("k"))
		},
		"flags":  func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.SetFlags(1) },
		"schema": func(rs ptrace.ResourceSpans, _ ptrace.ScopeSpans, _ ptrace.Span) { rs.SetSchemaUrl("x") },
		"service": func(rs ptrace.ResourceSpans, _ ptrace.ScopeSpans, _ ptrace.Span) {
			rs.Resource().Attributes().PutStr("service.name", "")
		},
	} {
		if make(change) != nothing {
			t.Errorf("%s counts", name)
		}
	}
	for name, change := range map[string]func(ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span){
		"resource": func(rs ptrace.ResourceSpans, _ ptrace.ScopeSpans, _ ptrace.Span) {
			rs.Resource().Attributes().PutStr("host", "b")
		},
		"scope":     func(_ ptrace.ResourceSpans, ss ptrace.ScopeSpans, _ ptrace.Span) { ss.Scope().SetVersion("1") },
		"name":      func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.SetName("other") },
		"start":     func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.SetStartTimestamp(6) },
		"end":       func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.SetEndTimestamp(10) },
		"kind":      func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.SetKind(2) },
		"status":    func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.Status().SetCode(2) },
		"attribute": func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.Attributes().PutBool("n", false) },
		"element": func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) {
			v, _ := s.Attributes().Get("list")
			v.Slice().AppendEmpty()
		},
		"no attribute": func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.Attributes().Remove("n") },
		"event":        func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.Events().At(0).SetTimestamp(1) },
		"link": func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) {
			s.Links().At(0).SetTraceID([16]byte{1})
		},
		"state": func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.TraceState().FromRaw("a=b") },
	} {
		if make(change) == nothing {
			t.Errorf("%s does not count", name)
		}
	}
	if bytes.Equal(AppendKey(nil, []byte{0xff}, nil, nil), AppendKey(nil, []byte{0xfe}, nil, nil)) {
		t.Error("bytes that are not protobuf are equal")
	}
}
