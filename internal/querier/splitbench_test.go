package querier

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/block"
	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// archiveRecords puts records into a block of an archive.
func (a *dirArchive) archiveRecords(t testing.TB, records ...[]byte) {
	t.Helper()
	id := uuid.NewString()
	b, err := block.NewBuilder(block.BuilderOptions{Dir: filepath.Dir(a.dir), Tenant: filepath.Base(a.dir), BlockID: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := b.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	meta, _, err := b.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.add(*meta)
}

// spansOf makes a record with a span of each of some traces. Each has an
// attribute of so many bytes, another of 1 byte, and an event with both.
func spansOf(t testing.TB, r *rand.Rand, large int, traces ...uint32) []byte {
	t.Helper()
	out := ptrace.NewTraces()
	rs := out.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "web")
	ss := rs.ScopeSpans().AppendEmpty()
	for _, n := range traces {
		s := ss.Spans().AppendEmpty()
		s.SetTraceID([16]byte{1, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
		s.SetSpanID([8]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), 7: 1})
		s.SetName("get")
		start := pcommon.Timestamp(1_700_000_000*second + int64(n)*1e6 + int64(r.IntN(1e6)))
		s.SetStartTimestamp(start)
		s.SetEndTimestamp(start + 1000)
		e := s.Events().AppendEmpty()
		e.SetTimestamp(start)
		for _, m := range []pcommon.Map{s.Attributes(), e.Attributes()} {
			text := make([]byte, large/2)
			for i := range text {
				text[i] = byte(r.Uint32())
			}
			m.PutStr("large", hex.EncodeToString(text))
			m.PutStr("small", "x")
		}
	}
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// BenchmarkSplit asks for traces that are in many blocks: some whose spans are
// large, and two in hundreds of small blocks with others over the same time.
func BenchmarkSplit(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	large := &dirArchive{dir: filepath.Join(b.TempDir(), "t")}
	for range 13 {
		var records [][]byte
		for trace := range uint32(100) {
			records = append(records, spansOf(b, r, 5000, trace, trace, trace, trace))
		}
		large.archiveRecords(b, records...)
	}
	many := &dirArchive{dir: filepath.Join(b.TempDir(), "t")}
	for i := range uint32(301) {
		traces := []uint32{0, 10_000}
		for n := range uint32(20) {
			traces = append(traces, 1+i+301*n)
		}
		many.archiveRecords(b, spansOf(b, r, 10, traces...))
	}
	for _, c := range []struct {
		name, query string
		archive     *dirArchive
		limit       int
	}{
		{"large", "{}", large, 20},
		{"large", "{}", large, 200},
		{"large", "{ resource.service.name = `web` }", large, 20},
		{"large", "{ span.small = `x` }", large, 20},
		{"many", "{}", many, 20},
		{"many", "{}", many, 400},
		{"many", "{} >> {}", many, 20},
	} {
		q, err := traceql.Parse(c.query)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/%s/%d", c.name, c.query, c.limit), func(b *testing.B) {
			querier := New(Options{Archive: c.archive})
			defer querier.Close()
			for b.Loop() {
				got, err := querier.Search(b.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Limit: c.limit, SpansPerSet: 3}, nil)
				if err != nil || len(got.Missing) > 0 {
					b.Fatal(got.Missing, err)
				}
			}
		})
	}
}
