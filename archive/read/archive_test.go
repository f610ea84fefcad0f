package read

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
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
	"github.com/grafana/tempo/tempodb/backend"
	"github.com/grafana/tempo/tempodb/backend/local"
	"github.com/grafana/tempo/tempodb/encoding"
	"github.com/grafana/tempo/tempodb/encoding/common"

	"appliance/archive"
	"appliance/archive/store"
)

const tenant = "single-tenant" // Tempo's own name where it has no others

// archiveDir is a directory store that blocks are put into.
type archiveDir struct {
	path  string
	store store.Store
}

func newArchive(t testing.TB) *archiveDir {
	t.Helper()
	return openArchive(t, t.TempDir())
}

func openArchive(t testing.TB, dir string) *archiveDir {
	t.Helper()
	st, err := store.Open(t.Context(), "file://"+dir, store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &archiveDir{dir, st}
}

func (a *archiveDir) file(tenant, block, name string) string {
	return filepath.Join(a.path, tenant, block, name)
}

// real27 puts the blocks of testdata into the archive, which a Tempo 2.7.2 wrote, and returns their ids.
func (a *archiveDir) real27(t testing.TB, tenant string) (ids []string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(a.path, tenant), os.DirFS("testdata/single-tenant")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("testdata/single-tenant")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		a.commit(t, tenant, e.Name())
		ids = append(ids, e.Name())
	}
	return ids
}

// write makes a block with Tempo's own encoding and commits it.
func (a *archiveDir) write(t testing.TB, tenant, version string, traces ...*tempopb.Trace) string {
	t.Helper()
	id := writeBlock(t, a.path, tenant, version, 100_000, traces)
	a.commit(t, tenant, id)
	return id
}

// writeBlock makes a block with Tempo's own encoding.
func writeBlock(t testing.TB, dir, tenant, version string, rowGroupBytes int, traces []*tempopb.Trace) string {
	t.Helper()
	_, reader, writer, err := asBackend(dir)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := encoding.FromVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	meta := backend.NewBlockMeta(tenant, uuid.New(), version, backend.EncNone, "")
	var first, last uint64
	for _, tr := range traces {
		s, e := times(tr)
		if first == 0 || s < first {
			first = s
		}
		last = max(last, e)
	}
	meta.StartTime, meta.EndTime, meta.TotalObjects = time.Unix(0, int64(first)).UTC(), time.Unix(0, int64(last)).UTC(), int64(len(traces))
	slices.SortFunc(traces, func(a, b *tempopb.Trace) int { return bytes.Compare(traceID(a), traceID(b)) })
	config := &common.BlockConfig{
		BloomFP: common.DefaultBloomFP, BloomShardSizeBytes: common.DefaultBloomShardSizeBytes, Version: version, Encoding: backend.EncNone,
		RowGroupSizeBytes: rowGroupBytes,
	}
	if _, err := enc.CreateBlock(context.Background(), config, meta, &iterator{traces}, reader, writer); err != nil {
		t.Fatal(err)
	}
	return meta.BlockID.String()
}

func asBackend(dir string) (*local.Backend, backend.Reader, backend.Writer, error) {
	raw, err := local.NewBackend(&local.Config{Path: dir})
	return raw, backend.NewReader(raw), backend.NewWriter(raw), err
}

// commit writes the manifest, as the archiver does.
func (a *archiveDir) commit(t testing.TB, tenant, block string) {
	t.Helper()
	a.commitAs(t, tenant, block, nil)
}

func (a *archiveDir) commitAs(t testing.TB, tenant, block string, derived *archive.Derived) {
	t.Helper()
	_, reader, _, err := asBackend(a.path)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := reader.BlockMeta(t.Context(), uuid.MustParse(block), tenant)
	if err != nil {
		t.Fatal(err)
	}
	m := &archive.Manifest{
		Tenant: tenant, Block: block, Encoding: meta.Version, Start: meta.StartTime.UTC(), End: meta.EndTime.UTC(), Traces: meta.TotalObjects,
		Origin: "test", ArchivedAt: time.Now().UTC(), ArchivedBy: "test", Derived: derived,
	}
	entries, err := os.ReadDir(filepath.Join(a.path, tenant, block))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(a.file(tenant, block, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		m.Files = append(m.Files, archive.File{Name: e.Name(), Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	}
	text, err := archive.EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file(tenant, block, archive.ManifestName), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

type iterator struct{ left []*tempopb.Trace }

func (i *iterator) Next(context.Context) (common.ID, *tempopb.Trace, error) {
	if len(i.left) == 0 {
		return nil, nil, io.EOF
	}
	tr := i.left[0]
	i.left = i.left[1:]
	return traceID(tr), tr, nil
}

func (i *iterator) Close() {}

func traceID(tr *tempopb.Trace) []byte { return tr.ResourceSpans[0].ScopeSpans[0].Spans[0].TraceId }

func times(tr *tempopb.Trace) (first, last uint64) {
	for s := range spans(tr) {
		if first == 0 || s.StartTimeUnixNano < first {
			first = s.StartTimeUnixNano
		}
		last = max(last, s.EndTimeUnixNano)
	}
	return first, last
}

func spans(tr *tempopb.Trace) func(func(*tracev1.Span) bool) {
	return func(yield func(*tracev1.Span) bool) {
		for _, rs := range tr.GetResourceSpans() {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}

// spanIDs are those of a trace, sorted, a duplicate twice.
func spanIDs(tr *tempopb.Trace) (ids []string) {
	for s := range spans(tr) {
		ids = append(ids, hex.EncodeToString(s.SpanId))
	}
	slices.Sort(ids)
	return ids
}

// day is when the traces of the tests began.
var day = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// makeTrace is a trace n of the given spans, the first of which is the root; it begins n seconds after day.
func makeTrace(n int, service string, spans ...int) *tempopb.Trace {
	start := day.Add(time.Duration(n) * time.Second)
	rs := &tracev1.ResourceSpans{
		Resource:   &resourcev1.Resource{Attributes: []*commonv1.KeyValue{text("service.name", service)}},
		ScopeSpans: []*tracev1.ScopeSpans{{Scope: &commonv1.InstrumentationScope{Name: "test"}}},
	}
	for _, j := range spans {
		s := &tracev1.Span{
			TraceId: idOf(n), SpanId: spanID(n, j), Name: fmt.Sprintf("op-%d", j), Kind: tracev1.Span_SpanKind(j%5 + 1),
			StartTimeUnixNano: uint64(start.Add(time.Duration(j) * time.Millisecond).UnixNano()),
			EndTimeUnixNano:   uint64(start.Add(time.Duration(50+j) * time.Millisecond).UnixNano()),
			Attributes:        []*commonv1.KeyValue{text("user", fmt.Sprintf("u%d", n%7)), number("n", int64(n))},
			Status:            &tracev1.Status{Code: tracev1.Status_StatusCode(n % 3)},
		}
		if j > 0 {
			s.ParentSpanId = spanID(n, 0)
		}
		rs.ScopeSpans[0].Spans = append(rs.ScopeSpans[0].Spans, s)
	}
	return &tempopb.Trace{ResourceSpans: []*tracev1.ResourceSpans{rs}}
}

func text(key, value string) *commonv1.KeyValue {
	return &commonv1.KeyValue{Key: key, Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *commonv1.KeyValue {
	return &commonv1.KeyValue{Key: key, Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_IntValue{IntValue: value}}}
}

func idOf(n int) []byte { return sum16(fmt.Sprintf("trace-%d", n), 16) }

func spanID(n, j int) []byte { return sum16(fmt.Sprintf("span-%d-%d", n, j), 8) }

func sum16(s string, n int) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:n]
}
