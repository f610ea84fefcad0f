package blockstore

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/durable/crashfs"
	"appliance/internal/otlpwire"
)

// FuzzWhatIsKeptIsStored has a block made of whatever the receiver takes: what no
// block could hold would stay in the spool for good.
func FuzzWhatIsKeptIsStored(f *testing.F) {
	for _, body := range odd(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		record, n, err := (&otlpwire.Limits{}).Filter(nil, body, func(*otlpwire.Span) otlpwire.Verdict { return otlpwire.Verdict{Keep: true} })
		if err != nil || n.Kept == 0 {
			return // the receiver keeps nothing of it
		}
		sp, s, err := tryOpen("/", crashfs.New())
		if err != nil {
			t.Fatal(err)
		}
		defer sp.Close()
		w, err := s.newWriter("a", levelCut, false)
		if err != nil {
			t.Fatal(err)
		}
		defer w.discard()
		if err := w.add(record); err != nil {
			t.Fatalf("%x cannot be added to a block: %v", record, err)
		}
		made, err := w.finish(background, Lineage{})
		if err != nil {
			t.Fatalf("no block can be made of %x: %v", record, err)
		}
		if made[0].stats.Added != int64(n.Kept) {
			t.Errorf("of %d spans %d are in the block", n.Kept, made[0].stats.Added)
		}
	})
}

// odd are requests in all kinds of encodings: those that the scanner was tested with.
func odd(f *testing.F) (bodies [][]byte) {
	f.Helper()
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "shop")
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID([16]byte{1})
	span.SetSpanID([8]byte{1})
	span.SetName("GET /")
	span.Attributes().PutEmptySlice("list").AppendEmpty().SetInt(1)
	span.Events().AppendEmpty().Attributes().PutEmptyMap("map").PutEmptyBytes("bytes").Append(1)
	span.Links().AppendEmpty().SetTraceID([16]byte{2})
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		f.Fatal(err)
	}
	bodies = append(bodies, body)
	files, err := filepath.Glob("../otlpwire/testdata/fuzz/FuzzFilter/*")
	if err != nil || len(files) < 10 {
		f.Fatalf("%d requests of the scanner's are there: %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			quoted, ok := strings.CutPrefix(strings.TrimSpace(line), "[]byte(")
			if !ok {
				continue
			}
			body, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
			if err != nil {
				f.Fatal(err)
			}
			bodies = append(bodies, []byte(body))
		}
	}
	return bodies
}
