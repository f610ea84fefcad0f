package read

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/grafana/tempo/pkg/tempopb"
	commonv1 "github.com/grafana/tempo/pkg/tempopb/common/v1"
	resourcev1 "github.com/grafana/tempo/pkg/tempopb/resource/v1"
	tracev1 "github.com/grafana/tempo/pkg/tempopb/trace/v1"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/internal/block"
	"appliance/internal/querier"
	"appliance/internal/readapi"
)

const tenant = "single-tenant" // Tempo's own name where it has no others

// archiveDir is a directory store that blocks are put into.
type archiveDir struct {
	path  string
	store store.Store
}

func newArchive(t testing.TB) *archiveDir {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(t.Context(), "file://"+dir, store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return &archiveDir{dir, st}
}

func (a *archiveDir) file(tenant, block, name string) string {
	return filepath.Join(a.path, tenant, block, name)
}

// real27 puts the blocks of testdata into the archive, which a Tempo 2.7.2
// wrote, and returns their ids.
func (a *archiveDir) real27(t testing.TB) (ids []string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(a.path, tenant), os.DirFS("testdata/single-tenant")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("testdata/single-tenant")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		a.commit(t, tenant, e.Name(), nil)
		ids = append(ids, e.Name())
	}
	return ids
}

// write makes a block and commits it.
func (a *archiveDir) write(t testing.TB, tenant string, traces ...*tempopb.Trace) string {
	t.Helper()
	id := a.writeBlock(t, tenant, traces)
	a.commit(t, tenant, id, nil)
	return id
}

func (a *archiveDir) writeBlock(t testing.TB, tenant string, traces []*tempopb.Trace) string {
	t.Helper()
	id := uuid.NewString()
	b, err := block.NewBuilder(block.BuilderOptions{Dir: a.path, Tenant: tenant, BlockID: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range traces {
		data, err := tr.Marshal()
		if err == nil {
			err = b.Add(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return id
}

// commit writes the manifest, as the archiver does.
func (a *archiveDir) commit(t testing.TB, tenant, id string, derived *archive.Derived) {
	t.Helper()
	text, err := os.ReadFile(a.file(tenant, id, block.MetaName))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := block.ParseMeta(text)
	if err != nil {
		t.Fatal(err)
	}
	m := &archive.Manifest{
		Tenant: tenant, Block: id, Encoding: meta.Format, Start: meta.StartTime.UTC(), End: meta.EndTime.UTC(), Traces: meta.TotalObjects,
		Origin: "test", ArchivedAt: time.Now().UTC(), ArchivedBy: "test", Derived: derived,
	}
	entries, err := os.ReadDir(filepath.Join(a.path, tenant, id))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(a.file(tenant, id, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		m.Files = append(m.Files, archive.File{Name: e.Name(), Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	}
	if text, err = archive.EncodeManifest(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file(tenant, id, archive.ManifestName), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// querierOf asks an archive.
func querierOf(t testing.TB, r *Reader) *querier.Querier {
	q := querier.New(querier.Options{Archive: r})
	t.Cleanup(q.Close)
	return q
}

func find(t testing.TB, q *querier.Querier, tenant string, n int) *readapi.TraceAnswer {
	t.Helper()
	answer, err := q.Trace(t.Context(), readapi.TraceRequest{Tenant: tenant, ID: [16]byte(idOf(n))})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// mustFind is find where nothing may be missing.
func mustFind(t testing.TB, q *querier.Querier, tenant string, n int) *tempopb.Trace {
	t.Helper()
	answer := find(t, q, tenant, n)
	if len(answer.Missing) > 0 {
		t.Fatal(answer.Missing)
	}
	return answer.Trace
}

// spanIDs are those of a trace, sorted, a duplicate twice.
func spanIDs(tr *tempopb.Trace) (ids []string) {
	for _, rs := range tr.GetResourceSpans() {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				ids = append(ids, hex.EncodeToString(s.SpanId))
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// day is when the traces of the tests began.
var day = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// makeTrace is a trace n of the given spans, the first of which is the root; it
// begins n seconds after day.
func makeTrace(n int, service string, spans ...int) *tempopb.Trace {
	start := day.Add(time.Duration(n) * time.Second)
	rs := &tracev1.ResourceSpans{
		Resource: &resourcev1.Resource{Attributes: []*commonv1.KeyValue{
			{Key: "service.name", Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: service}}},
		}},
		ScopeSpans: []*tracev1.ScopeSpans{{Scope: &commonv1.InstrumentationScope{Name: "test"}}},
	}
	for _, j := range spans {
		s := &tracev1.Span{
			TraceId: idOf(n), SpanId: spanID(n, j), Name: fmt.Sprintf("op-%d", j), Kind: tracev1.Span_SpanKind(j%5 + 1),
			StartTimeUnixNano: uint64(start.Add(time.Duration(j) * time.Millisecond).UnixNano()),
			EndTimeUnixNano:   uint64(start.Add(time.Duration(50+j) * time.Millisecond).UnixNano()),
			Status:            &tracev1.Status{Code: tracev1.Status_StatusCode(n % 3)},
		}
		if j > 0 {
			s.ParentSpanId = spanID(n, 0)
		}
		rs.ScopeSpans[0].Spans = append(rs.ScopeSpans[0].Spans, s)
	}
	return &tempopb.Trace{ResourceSpans: []*tracev1.ResourceSpans{rs}}
}

func idOf(n int) []byte { return sum16(fmt.Sprintf("trace-%d", n), 16) }

func spanID(n, j int) []byte { return sum16(fmt.Sprintf("span-%d-%d", n, j), 8) }

func sum16(s string, n int) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:n]
}
