package read

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/grafana/tempo/pkg/collector"
	"github.com/grafana/tempo/pkg/tempopb"
	commonv1 "github.com/grafana/tempo/pkg/tempopb/common/v1"
	"github.com/grafana/tempo/pkg/traceql"
	"github.com/grafana/tempo/tempodb"
	"github.com/grafana/tempo/tempodb/backend"
	"github.com/grafana/tempo/tempodb/backend/local"
	"github.com/grafana/tempo/tempodb/encoding/common"
	"github.com/grafana/tempo/tempodb/encoding/vparquet3"
	"github.com/grafana/tempo/tempodb/encoding/vparquet4"
	"github.com/grafana/tempo/tempodb/wal"

	"appliance/archive"
)

// The oracle is a tempodb over the same directory, asked block by block, as Tempo's queriers do.
type oracle struct {
	t     *testing.T
	db    tempodb.Reader
	metas []*backend.BlockMeta
}

func newOracle(t *testing.T, dir string) *oracle {
	t.Helper()
	db, _, _, err := tempodb.New(&tempodb.Config{
		Backend: "local", Local: &local.Config{Path: dir},
		WAL:    &wal.Config{Filepath: filepath.Join(t.TempDir(), "wal"), Version: vparquet4.VersionString},
		Block:  &common.BlockConfig{BloomFP: .01, BloomShardSizeBytes: 100_000, Version: vparquet4.VersionString, IndexDownsampleBytes: 1, IndexPageSizeBytes: 1},
		Search: &tempodb.SearchConfig{ChunkSizeBytes: 1 << 20, ReadBufferCount: 2, ReadBufferSizeBytes: 1 << 20},
	}, nil, log.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{t: t, db: db}
	_, reader, _, err := asBackend(dir)
	if err != nil {
		t.Fatal(err)
	}
	ids, _, err := reader.Blocks(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		meta, err := reader.BlockMeta(t.Context(), uuid.UUID(id), tenant)
		if err != nil {
			t.Fatal(err)
		}
		o.metas = append(o.metas, meta)
	}
	slices.SortFunc(o.metas, func(a, b *backend.BlockMeta) int { // as the sharder of Tempo's frontend does
		return cmp.Or(b.EndTime.Compare(a.EndTime), strings.Compare(a.BlockID.String(), b.BlockID.String()))
	})
	return o
}

func (o *oracle) search(req *tempopb.SearchRequest) map[string]string {
	o.t.Helper()
	combined := traceql.NewMetadataCombiner(1<<20, false)
	for _, meta := range o.metas {
		if req.End != 0 && (meta.StartTime.Unix() > int64(req.End) || meta.EndTime.Unix() < int64(req.Start)) {
			continue
		}
		var resp *tempopb.SearchResponse
		var err error
		if req.Query == "" {
			resp, err = o.db.Search(o.t.Context(), meta, req, common.DefaultSearchOptions())
		} else {
			resp, err = traceql.NewEngine().ExecuteSearch(o.t.Context(), req, traceql.NewSpansetFetcherWrapper(func(ctx context.Context, f traceql.FetchSpansRequest) (traceql.FetchSpansResponse, error) {
				return o.db.Fetch(ctx, meta, f, common.DefaultSearchOptions())
			}))
		}
		if err != nil {
			o.t.Fatalf("%s: %v", req.Query, err)
		}
		for _, tr := range resp.Traces {
			combined.AddMetadata(tr)
		}
	}
	return byID(named(combined.Metadata()))
}

// byID is the text of each trace, without what has no order.
func byID(traces []*tempopb.TraceSearchMetadata) map[string]string {
	out := map[string]string{}
	for _, tr := range traces {
		for _, ss := range append(tr.SpanSets, tr.SpanSet) {
			for _, s := range ss.GetSpans() { // they come out of a map
				slices.SortFunc(s.Attributes, func(a, b *commonv1.KeyValue) int { return strings.Compare(a.Key, b.Key) })
			}
		}
		out[tr.TraceID] = tr.String()
	}
	return out
}

func TestSearchAgreesWithTempo(t *testing.T) {
	a := newArchive(t)
	a.real27(t, tenant)
	a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "api", 0, 1, 2), makeTrace(2, "web", 0, 1), makeTrace(30, "api", 0))
	a.write(t, tenant, vparquet3.VersionString, makeTrace(1, "api", 2, 3), makeTrace(40, "db", 1, 2))
	o := newOracle(t, a.path)
	r := New(a.store, Options{Parallel: 1}) // of equal halves of a trace the first one wins
	at := func(n int) uint32 { return uint32(day.Unix() + int64(n)) }
	matches := 0
	for _, req := range []*tempopb.SearchRequest{
		{Query: `{}`},
		{Query: `{}`, Start: at(0), End: at(2)},
		{Query: `{}`, Start: at(35), End: at(60)},
		{Query: `{ resource.service.name = "shop" }`},
		{Query: `{ .service.version =~ "1.[02]" && status = error }`},
		{Query: `{ span.order.id > 40 && span.order.id <= 175 && kind = server }`},
		{Query: `{ name = "SELECT orders" && duration > 30ms }`},
		{Query: `{ name = "GET /orders" } >> { kind = producer }`},
		{Query: `{ kind = client } | count() > 0`},
		{Query: `{ } | by(resource.service.name) | count() > 1`},
		{Query: `{ .user = "u1" } | select(.n, resource.service.name)`},
		{Query: `{ rootServiceName = "billing" } && { .order.id = 100 }`},
		{Query: `{ .nothing = "here" }`},
		{Query: `{ status = error }`, SpansPerSpanSet: 1},
		{Tags: map[string]string{"service.name": "search"}},
		{Tags: map[string]string{"http.response.status_code": "500"}},
		{Tags: map[string]string{}, MinDurationMs: 51},
		{Tags: map[string]string{"service.name": "api"}, Start: at(0), End: at(5)},
	} {
		req.Limit = 1000
		got, missing, err := r.Search(t.Context(), tenant, req, nil, nil)
		if err != nil || len(missing) > 0 {
			t.Fatalf("%v: %v, missing %v", req, err, missing)
		}
		want := o.search(req)
		if d := gocmp.Diff(want, byID(got.Traces)); d != "" {
			t.Errorf("%v: (-tempo +archive)\n%s", req, d)
		}
		matches += len(want)
	}
	if matches < 500 {
		t.Errorf("the queries matched only %d traces", matches)
	}
}

func TestTagsAgreeWithTempo(t *testing.T) {
	a := newArchive(t)
	a.real27(t, tenant)
	a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "api", 0, 1, 2), makeTrace(2, "web", 0, 1))
	o := newOracle(t, a.path)
	r := New(a.store, Options{})
	for _, scope := range []string{"none", "span", "resource", "event"} {
		for _, query := range []string{"", `{ resource.service.name = "api" }`} {
			got, missing, err := r.SearchTagsV2(t.Context(), tenant, &tempopb.SearchTagsRequest{Scope: scope, Query: query}, nil)
			if err != nil || len(missing) > 0 {
				t.Fatal(err, missing)
			}
			want := o.tags(scope, query)
			if scope == "none" {
				want["intrinsic"] = nil
			}
			for _, s := range got.Scopes {
				if s.Name == "intrinsic" {
					s.Tags = nil
				}
				if !slices.Equal(s.Tags, want[s.Name]) {
					t.Errorf("scope %s of %s %s: got %v, want %v", s.Name, scope, query, s.Tags, want[s.Name])
				}
				delete(want, s.Name)
			}
			if len(want) > 0 {
				t.Errorf("%s %s: not returned: %v", scope, query, want)
			}
		}
	}
	for _, tag := range []string{"resource.service.name", ".service.version", "span.order.id", "span.n", "name", "rootServiceName", "status", "kind"} {
		for _, query := range []string{"", `{ resource.service.name = "shop" }`} {
			got, missing, err := r.SearchTagValuesV2(t.Context(), tenant, &tempopb.SearchTagValuesRequest{TagName: tag, Query: query}, nil)
			if err != nil || len(missing) > 0 {
				t.Fatal(err, missing)
			}
			var values []string
			for _, v := range got.TagValues {
				values = append(values, v.Type+" "+v.Value)
			}
			want := o.values(tag, query)
			if tag == "status" {
				want = []string{"keyword error", "keyword ok", "keyword unset"}
			}
			if tag == "kind" {
				want = []string{"keyword client", "keyword consumer", "keyword internal", "keyword producer", "keyword server", "keyword unspecified"}
			}
			slices.Sort(values)
			if !slices.Equal(values, want) || query == "" && len(want) == 0 {
				t.Errorf("%s %s: got %v, want %v", tag, query, values, want)
			}
		}
	}
	names, _, err := r.SearchTags(t.Context(), tenant, &tempopb.SearchTagsRequest{}, nil)
	if err != nil || !slices.Equal(names.TagNames, []string{"http.response.status_code", "n", "order.id", "service.name", "service.version", "user"}) {
		t.Errorf("%v %v", names, err)
	}
	values, _, err := r.SearchTagValues(t.Context(), tenant, &tempopb.SearchTagValuesRequest{TagName: "service.name"}, nil)
	if err != nil || !slices.Equal(values.TagValues, []string{"api", "billing", "search", "shop", "web"}) {
		t.Errorf("%v %v", values, err)
	}
}

func (o *oracle) tags(scope, query string) map[string][]string {
	names := collector.NewScopedDistinctString(0, 0, 0)
	for _, meta := range o.metas {
		if query == "" {
			resp, err := o.db.SearchTags(o.t.Context(), meta, &tempopb.SearchTagsBlockRequest{SearchReq: &tempopb.SearchTagsRequest{Scope: scope}}, common.DefaultSearchOptions())
			if err != nil {
				o.t.Fatal(err)
			}
			for _, s := range resp.Scopes {
				for _, tag := range s.Tags {
					names.Collect(s.Name, tag)
				}
			}
			continue
		}
		err := traceql.NewEngine().ExecuteTagNames(o.t.Context(), traceql.AttributeScopeFromString(scope), query,
			func(tag string, scope traceql.AttributeScope) bool { return names.Collect(scope.String(), tag) },
			traceql.NewTagNamesFetcherWrapper(func(ctx context.Context, f traceql.FetchTagsRequest, cb traceql.FetchTagsCallback) error {
				return o.db.FetchTagNames(ctx, meta, f, cb, func(uint64) {}, common.DefaultSearchOptions())
			}))
		if err != nil {
			o.t.Fatal(err)
		}
	}
	all := names.Strings()
	for _, tags := range all {
		slices.Sort(tags)
	}
	return all
}

func (o *oracle) values(tag, query string) []string {
	all := map[string]bool{}
	collect := func(v tempopb.TagValue) bool { all[v.Type+" "+v.Value] = true; return false }
	for _, meta := range o.metas {
		if query == "" {
			resp, err := o.db.SearchTagValuesV2(o.t.Context(), meta, &tempopb.SearchTagValuesRequest{TagName: tag}, common.DefaultSearchOptions())
			if err != nil {
				o.t.Fatal(err)
			}
			for _, v := range resp.TagValues {
				collect(*v)
			}
			continue
		}
		name, err := traceql.ParseIdentifier(tag)
		if err != nil {
			o.t.Fatal(err)
		}
		err = traceql.NewEngine().ExecuteTagValues(o.t.Context(), name, query, traceql.MakeCollectTagValueFunc(collect),
			traceql.NewTagValuesFetcherWrapper(func(ctx context.Context, f traceql.FetchTagValuesRequest, cb traceql.FetchTagValuesCallback) error {
				return o.db.FetchTagValues(ctx, meta, f, cb, func(uint64) {}, common.DefaultSearchOptions())
			}))
		if err != nil {
			o.t.Fatal(err)
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func TestSearchReturnsAtMostTheLimitNewestFirst(t *testing.T) {
	a := newArchive(t)
	for n := range 6 {
		a.write(t, tenant, vparquet4.VersionString, makeTrace(100*n, "api", 0), makeTrace(100*n+1, "api", 0))
	}
	r := New(a.store, Options{Parallel: 1})
	for query, want := range map[string]uint32{`{}`: 2, `{} with (most_recent=true)`: 2} {
		got, missing, err := r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: query, Limit: 3}, nil, nil)
		if err != nil || len(missing) > 0 {
			t.Fatal(err, missing)
		}
		var starts []string
		for _, tr := range got.Traces {
			starts = append(starts, fmt.Sprint(time.Unix(0, int64(tr.StartTimeUnixNano)).Sub(day).Seconds()))
		}
		if !slices.Equal(starts, []string{"501", "500", "401"}) && query != `{}` || len(starts) != 3 || starts[0] != "501" {
			t.Errorf("%s: %v", query, starts)
		}
		if got.Metrics.CompletedJobs > want || got.Metrics.TotalBlocks != 6 {
			t.Errorf("%s: searched %d of %d blocks for it", query, got.Metrics.CompletedJobs, got.Metrics.TotalBlocks)
		}
	}
	got, _, err := r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{}`}, nil, nil)
	if err != nil || len(got.Traces) != 12 {
		t.Errorf("%d traces, %v", len(got.Traces), err)
	}
}

// The block with the latest end may hold old traces too; then the next block has more recent ones.
func TestTheMostRecentAreThoseOfAllBlocks(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, vparquet4.VersionString, makeTrace(0, "api", 0), makeTrace(600, "api", 0))
	a.write(t, tenant, vparquet4.VersionString, makeTrace(540, "api", 0))
	got, _, err := New(a.store, Options{Parallel: 1}).Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{} with (most_recent=true)`, Limit: 2}, nil, nil)
	if err != nil || len(got.Traces) != 2 || got.Traces[1].StartTimeUnixNano != uint64(day.Add(540*time.Second).UnixNano()) {
		t.Errorf("%v %v", got, err)
	}
}

func TestSearchTellsItsProgress(t *testing.T) {
	a := newArchive(t)
	for n := range 4 {
		a.write(t, tenant, vparquet4.VersionString, makeTrace(n, "api", 0))
	}
	r := New(a.store, Options{})
	found, last := 0, uint32(0)
	_, _, err := r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{}`}, nil, func(part *tempopb.SearchResponse) error {
		found += len(part.Traces)
		if part.Metrics.CompletedJobs != last+1 || part.Metrics.TotalJobs != 4 {
			t.Errorf("progress %v after %d", part.Metrics, last)
		}
		last = part.Metrics.CompletedJobs
		return nil
	})
	if err != nil || found != 4 || last != 4 {
		t.Errorf("%d traces in %d parts, %v", found, last, err)
	}
	stop := errors.New("the client has gone")
	_, _, err = r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{}`}, nil, func(*tempopb.SearchResponse) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("progress failed and the search says %v", err)
	}
}

func TestSearchWithADamagedBlock(t *testing.T) {
	a := newArchive(t)
	bad := a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "api", 0))
	a.write(t, tenant, vparquet4.VersionString, makeTrace(2, "api", 0))
	data, err := os.ReadFile(a.file(tenant, bad, "data.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file(tenant, bad, "data.parquet"), data[:len(data)-100], 0o644); err != nil {
		t.Fatal(err)
	}
	r := New(a.store, Options{})
	got, missing, err := r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{}`}, nil, nil)
	if err != nil || len(got.Traces) != 1 || len(missing) != 1 || !strings.Contains(missing[0].Error(), bad) {
		t.Errorf("%v, missing %v, %v", got, missing, err)
	}
	_, missing, err = r.SearchTagsV2(t.Context(), tenant, &tempopb.SearchTagsRequest{}, nil)
	if err != nil || len(missing) != 1 {
		t.Errorf("tags: missing %v, %v", missing, err)
	}
	_, missing, err = r.SearchTagValuesV2(t.Context(), tenant, &tempopb.SearchTagValuesRequest{TagName: ".user"}, nil)
	if err != nil || len(missing) != 1 {
		t.Errorf("tag values: missing %v, %v", missing, err)
	}
}

func TestABadQuestionIsNotTheBlocksFault(t *testing.T) {
	a := newArchive(t)
	a.real27(t, tenant)
	r := New(a.store, Options{})
	for i, err := range []error{
		third(r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{ name = }`}, nil, nil)),
		third(r.SearchTagsV2(t.Context(), tenant, &tempopb.SearchTagsRequest{Scope: "moon"}, nil)),
		third(r.SearchTagValuesV2(t.Context(), tenant, &tempopb.SearchTagValuesRequest{TagName: "{ a"}, nil)),
		third(r.QueryRange(t.Context(), tenant, &tempopb.QueryRangeRequest{Query: `{}`, Start: 1, End: 2e9, Step: 1e9}, nil)),
		third(r.QueryRange(t.Context(), tenant, &tempopb.QueryRangeRequest{Query: `{} | rate()`, Start: 1, End: 2e18, Step: 1}, nil)),
	} {
		if !errors.As(err, new(*RequestError)) {
			t.Errorf("%d: %v is no RequestError", i, err)
		}
	}
	for _, name := range []string{"", "..", "a/b", "@staging-1"} {
		if err := third(r.Search(t.Context(), name, &tempopb.SearchRequest{Query: `{}`}, nil, nil)); err == nil {
			t.Errorf("tenant %q is taken", name)
		}
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }

func TestAnAnswerIsBoundedInBytes(t *testing.T) {
	a := newArchive(t)
	var traces []*tempopb.Trace
	for n := range 200 {
		traces = append(traces, makeTrace(n, "api", 0, 1, 2))
	}
	for range 3 {
		a.write(t, tenant, vparquet4.VersionString, traces...)
	}
	r := New(a.store, Options{MaxResultBytes: 4000, Parallel: 1})
	got, missing, err := r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{}`, Limit: 1000}, nil, nil)
	if err != nil || len(missing) != 1 || !errors.Is(missing[0], ErrTooMuch) || got.Metrics.CompletedJobs != 1 {
		t.Errorf("%d traces of %d blocks, missing %v, %v", len(got.GetTraces()), got.GetMetrics().GetCompletedJobs(), missing, err)
	}
	r = New(a.store, Options{MaxResultBytes: 30})
	values, missing, err := r.SearchTagValuesV2(t.Context(), tenant, &tempopb.SearchTagValuesRequest{TagName: "span.n"}, nil)
	if err != nil || len(missing) != 1 || !errors.Is(missing[0], ErrTooMuch) || len(values.TagValues) > 10 {
		t.Errorf("%d values, missing %v, %v", len(values.TagValues), missing, err)
	}
}

func TestACancelledSearchEnds(t *testing.T) {
	a := newArchive(t)
	for n := range 4 {
		a.write(t, tenant, vparquet4.VersionString, makeTrace(n, "api", 0))
	}
	r := New(a.store, Options{Parallel: 1})
	ctx, cancel := context.WithCancel(t.Context())
	searched := 0
	_, _, err := r.Search(ctx, tenant, &tempopb.SearchRequest{Query: `{}`}, nil, func(*tempopb.SearchResponse) error {
		searched++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || searched != 1 {
		t.Errorf("%d blocks were searched, and then %v", searched, err)
	}
	// What it held is free again.
	if _, _, err := r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{}`}, nil, nil); err != nil {
		t.Error(err)
	}
}

// A block that Tempo has is skipped, but not where other bytes of it were archived too.
func TestSkippedBlocks(t *testing.T) {
	a := newArchive(t)
	held := a.write(t, tenant, vparquet4.VersionString, makeTrace(1, "api", 0))
	a.write(t, tenant, vparquet4.VersionString, makeTrace(2, "api", 0))
	r := New(a.store, Options{})
	count := func() int {
		expire(r)
		got, _, err := r.Search(t.Context(), tenant, &tempopb.SearchRequest{Query: `{}`}, func(b string) bool { return b == held }, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(got.Traces)
	}
	if n := count(); n != 1 {
		t.Errorf("%d traces, want only the one of the block that is not skipped", n)
	}
	twin := writeBlock(t, a.path, tenant, vparquet4.VersionString, 100_000, []*tempopb.Trace{makeTrace(3, "api", 0)})
	a.commitAs(t, tenant, twin, &archive.Derived{Block: held, MetaSHA256: strings.Repeat("0", 64)})
	if n := count(); n != 3 {
		t.Errorf("%d traces, want all: the skipped id stands for two blocks", n)
	}
}
