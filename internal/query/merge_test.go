package query

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	tracev1 "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// fakeArchive answers what it is told, and remembers what it was asked.
type fakeArchive struct {
	trace   *tempopb.Trace
	found   []*tempopb.TraceSearchMetadata
	tags    map[string][]string
	values  []string
	series  []*tempopb.TimeSeries
	missing []error
	err     error
	// blocks, where set, are what the traces are in: one block each.
	blocks []string

	tenants []string
	asked   [][]string // the blocks that were not skipped, for each question
	search  *tempopb.SearchRequest
}

type badQuestion struct{ error }

func (badQuestion) BadRequest() {}

func (f *fakeArchive) ask(tenant string, skip func(string) bool) {
	f.tenants = append(f.tenants, tenant)
	var asked []string
	for _, b := range f.blocks {
		if skip == nil || !skip(b) {
			asked = append(asked, b)
		}
	}
	f.asked = append(f.asked, asked)
}

func (f *fakeArchive) FindTrace(_ context.Context, tenant string, _ []byte, _, _ int64, skip func(string) bool) (*tempopb.TraceByIDResponse, []error, error) {
	f.ask(tenant, skip)
	if f.err != nil {
		return nil, nil, f.err
	}
	resp := &tempopb.TraceByIDResponse{Trace: clone(f.trace)}
	if len(f.missing) > 0 {
		resp.Status, resp.Message = tempopb.PartialStatus_PARTIAL, errors.Join(f.missing...).Error()
	}
	return resp, f.missing, nil
}

func (f *fakeArchive) Search(_ context.Context, tenant string, req *tempopb.SearchRequest, skip func(string) bool, progress func(*tempopb.SearchResponse) error) (*tempopb.SearchResponse, []error, error) {
	f.ask(tenant, skip)
	f.search = req
	resp := &tempopb.SearchResponse{Metrics: &tempopb.SearchMetrics{InspectedTraces: 7, CompletedJobs: 1, TotalJobs: 1}}
	for i, t := range f.found {
		if f.blocks != nil && !slices.Contains(f.asked[len(f.asked)-1], f.blocks[i]) {
			continue
		}
		copied := *t
		resp.Traces = append(resp.Traces, &copied)
	}
	if progress != nil && f.err == nil {
		if err := progress(resp); err != nil {
			return nil, nil, err
		}
	}
	return resp, f.missing, f.err
}

func (f *fakeArchive) SearchTags(_ context.Context, tenant string, _ *tempopb.SearchTagsRequest, skip func(string) bool) (*tempopb.SearchTagsResponse, []error, error) {
	f.ask(tenant, skip)
	return &tempopb.SearchTagsResponse{TagNames: f.tags["span"]}, f.missing, f.err
}

func (f *fakeArchive) SearchTagsV2(_ context.Context, tenant string, _ *tempopb.SearchTagsRequest, skip func(string) bool) (*tempopb.SearchTagsV2Response, []error, error) {
	f.ask(tenant, skip)
	resp := &tempopb.SearchTagsV2Response{}
	for scope, tags := range f.tags {
		resp.Scopes = append(resp.Scopes, &tempopb.SearchTagsV2Scope{Name: scope, Tags: tags})
	}
	return resp, f.missing, f.err
}

func (f *fakeArchive) SearchTagValues(_ context.Context, tenant string, _ *tempopb.SearchTagValuesRequest, skip func(string) bool) (*tempopb.SearchTagValuesResponse, []error, error) {
	f.ask(tenant, skip)
	return &tempopb.SearchTagValuesResponse{TagValues: f.values}, f.missing, f.err
}

func (f *fakeArchive) SearchTagValuesV2(_ context.Context, tenant string, req *tempopb.SearchTagValuesRequest, skip func(string) bool) (*tempopb.SearchTagValuesV2Response, []error, error) {
	f.ask(tenant, skip)
	resp := &tempopb.SearchTagValuesV2Response{}
	for _, v := range f.values {
		resp.TagValues = append(resp.TagValues, &tempopb.TagValue{Type: "string", Value: req.TagName + "=" + v})
	}
	return resp, f.missing, f.err
}

func (f *fakeArchive) QueryRange(_ context.Context, tenant string, _ *tempopb.QueryRangeRequest, skip func(string) bool) (*tempopb.QueryRangeResponse, []error, error) {
	f.ask(tenant, skip)
	return proto.Clone(&tempopb.QueryRangeResponse{Series: f.series}).(*tempopb.QueryRangeResponse), f.missing, f.err
}

func clone(tr *tempopb.Trace) *tempopb.Trace {
	if tr == nil {
		return nil
	}
	return proto.Clone(tr).(*tempopb.Trace)
}

// spansNamed is a trace of spans with these ids, each "id kind parent".
func spansNamed(specs ...string) *tempopb.Trace {
	ss := &tracev1.ScopeSpans{}
	for _, spec := range specs {
		f := strings.Fields(spec + " - -")
		s := &tracev1.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte((f[0] + "________")[:8]), Name: f[0], StartTimeUnixNano: 1, EndTimeUnixNano: 2}
		s.Kind = map[string]tracev1.Span_SpanKind{"server": tracev1.Span_SPAN_KIND_SERVER, "client": tracev1.Span_SPAN_KIND_CLIENT}[f[1]]
		if f[2] != "-" {
			s.ParentSpanId = []byte((f[2] + "________")[:8])
		}
		ss.Spans = append(ss.Spans, s)
	}
	return &tempopb.Trace{ResourceSpans: []*tracev1.ResourceSpans{{ScopeSpans: []*tracev1.ScopeSpans{ss}}}}
}

func names(tr *tempopb.Trace) (out []string) {
	for s := range spansOf(tr) {
		out = append(out, s.Name)
	}
	slices.Sort(out)
	return out
}

// liveTempo is a fake Tempo: status 0 is one that is not there.
type liveTempo struct {
	status int
	body   string
	kind   string // content type
}

// both is the API in front of live and archive.
func both(t *testing.T, live liveTempo, o Options) *httptest.Server {
	t.Helper()
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", live.kind)
		w.Header().Set("X-From", "tempo")
		w.WriteHeader(live.status)
		_, _ = io.WriteString(w, live.body)
	}))
	t.Cleanup(tempo.Close)
	base, err := url.Parse(tempo.URL)
	if err != nil {
		t.Fatal(err)
	}
	o.Backend = func() (Backend, error) {
		if live.status == 0 {
			return Backend{}, errors.New("the embedded Tempo is starting")
		}
		return Backend{HTTP: base}, nil
	}
	o.Logger = slog.New(slog.DiscardHandler)
	h := New(o)
	t.Cleanup(h.Close)
	api := httptest.NewServer(h)
	t.Cleanup(api.Close)
	return api
}

func asJSON(t *testing.T, m proto.Message) string {
	t.Helper()
	s, err := new(jsonpb.Marshaler).MarshalToString(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func liveTrace(t *testing.T, v2 bool, tr *tempopb.Trace) liveTempo {
	t.Helper()
	if v2 {
		return liveTempo{200, asJSON(t, &tempopb.TraceByIDResponse{Trace: tr}), "application/json"}
	}
	if tr == nil {
		return liveTempo{404, "trace not found", "text/plain"}
	}
	body, err := tempopb.MarshalToJSONV1(tr)
	if err != nil {
		t.Fatal(err)
	}
	return liveTempo{200, string(body), "application/json"}
}

func TestATraceIsThatOfTempoAndTheArchive(t *testing.T) {
	damaged := []error{errors.New("archived block X cannot be read")}
	down, ill := liveTempo{}, liveTempo{503, "too busy", "text/plain"}
	for _, c := range []struct {
		name    string
		live    *tempopb.Trace
		tempo   *liveTempo // in place of live
		archive fakeArchive
		want    []string
		code    [2]int // of the two versions of the API
		partial string // what the mark says; empty: none
	}{
		{name: "both halves", live: spansNamed("a", "b"), archive: fakeArchive{trace: spansNamed("b", "c")}, want: []string{"a", "b", "c"}},
		{name: "live only", live: spansNamed("a"), want: []string{"a"}},
		{name: "archived only", archive: fakeArchive{trace: spansNamed("c")}, want: []string{"c"}},
		{name: "nowhere", code: [2]int{404, 200}},
		{name: "tempo away, archived", tempo: &down, archive: fakeArchive{trace: spansNamed("c")}, want: []string{"c"}, partial: "tempo does not answer"},
		{name: "tempo ill, archived", tempo: &ill, archive: fakeArchive{trace: spansNamed("c")}, want: []string{"c"}, partial: "too busy"},
		{name: "tempo away, not archived", tempo: &down, code: [2]int{503, 503}, partial: "tempo does not answer"},
		{name: "archive away, live", live: spansNamed("a"), archive: fakeArchive{err: errors.New("no such bucket")}, want: []string{"a"}, partial: "no such bucket"},
		{name: "archive away, not live", archive: fakeArchive{err: errors.New("no such bucket")}, code: [2]int{503, 503}, partial: "no such bucket"},
		{name: "both away", tempo: &down, archive: fakeArchive{err: errors.New("no such bucket")}, code: [2]int{503, 503}},
		{name: "a block damaged", live: spansNamed("a"), archive: fakeArchive{trace: spansNamed("b"), missing: damaged}, want: []string{"a", "b"}, partial: "block X"},
		{name: "a block damaged, found nowhere", archive: fakeArchive{missing: damaged}, code: [2]int{404, 200}, partial: "block X"},
		{name: "refused by tempo", tempo: &liveTempo{400, "no", "text/plain"}, archive: fakeArchive{trace: spansNamed("b")}, code: [2]int{400, 400}},
	} {
		for version, path := range []string{"/api/traces/", "/api/v2/traces/"} {
			for _, accept := range []string{"application/protobuf", "application/json"} {
				t.Run(c.name+path+accept, func(t *testing.T) {
					v2 := version == 1
					live := liveTrace(t, v2, c.live)
					if c.tempo != nil {
						live = *c.tempo
					} else if accept == "application/protobuf" && live.status == 200 {
						live = asProtobuf(t, v2, c.live)
					}
					a := c.archive
					api := both(t, live, Options{Archive: &a})
					code, body, header := get(t, "GET", api.URL+path+"0af7651916cd43dd8448eb211c80319c", http.Header{"Accept": {accept}})
					want := c.code[version]
					if want == 0 {
						want = 200
					}
					if code != want {
						t.Fatalf("status %d %s, want %d", code, body, want)
					}
					if got := header.Get(PartialHeader); c.partial == "" && got != "" || !strings.Contains(got, c.partial) {
						t.Errorf("%s: %q, want %q", PartialHeader, got, c.partial)
					}
					if code != 200 {
						return
					}
					resp, err := decodeTrace(v2, header.Get("Content-Type"), []byte(body))
					if err != nil {
						t.Fatalf("%s: %v", body, err)
					}
					if got := names(resp.Trace); !slices.Equal(got, c.want) {
						t.Errorf("spans %v, want %v", got, c.want)
					}
					if isPartial := resp.Status == tempopb.PartialStatus_PARTIAL; v2 && (isPartial != (c.partial != "") || !strings.Contains(resp.Message, c.partial)) {
						t.Errorf("%s %q, want %q", resp.Status, resp.Message, c.partial)
					}
				})
			}
		}
	}
}

func asProtobuf(t *testing.T, v2 bool, tr *tempopb.Trace) liveTempo {
	t.Helper()
	var m proto.Message = &tempopb.TraceByIDResponse{Trace: tr}
	if !v2 {
		m = tr
	}
	body, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return liveTempo{200, string(body), "application/protobuf"}
}

// Where the archive adds nothing, the client reads Tempo's own bytes.
func TestTemposOwnAnswerComesThrough(t *testing.T) {
	for _, path := range []string{"/api/traces/af", "/api/v2/traces/af", "/api/search?q=%7B%7D", "/api/metrics/query_range?q=%7B%7D%7Crate()&step=60", "/api/metrics/query", "/api/status/buildinfo"} {
		api := both(t, liveTempo{200, "whatever it says", "text/odd"}, Options{Archive: &fakeArchive{}})
		code, body, header := get(t, "GET", api.URL+path, nil)
		if code != 200 || body != "whatever it says" || header.Get("Content-Type") != "text/odd" || header.Get("X-From") != "tempo" || header.Get(PartialHeader) != "" {
			t.Errorf("%s: %d %s %v", path, code, body, header)
		}
	}
}

// Tempo gives a server span that shares its id with a client span another one. The archive's copy of it is not a second span.
func TestSpansThatTempoRenamedAreNotDoubled(t *testing.T) {
	raw := spansNamed("call client", "call server", "child - call")
	renamed := separate(clone(raw))
	if n := len(names(renamed)); n != 3 {
		t.Fatalf("%d spans", n)
	}
	api := both(t, liveTrace(t, true, renamed), Options{Archive: &fakeArchive{trace: raw}})
	_, body, header := get(t, "GET", api.URL+"/api/v2/traces/af", nil)
	resp, err := decodeTrace(true, header.Get("Content-Type"), []byte(body))
	if err != nil || !slices.Equal(names(resp.Trace), []string{"call", "call", "child"}) {
		t.Errorf("%v %v", names(resp.Trace), err)
	}
	// Alone, the archive's answer is as Tempo's would be.
	api = both(t, liveTempo{404, "", ""}, Options{Archive: &fakeArchive{trace: raw}})
	_, body, header = get(t, "GET", api.URL+"/api/v2/traces/af", nil)
	alone, err := decodeTrace(true, header.Get("Content-Type"), []byte(body))
	if err != nil || alone.Trace.String() != renamed.String() {
		t.Errorf("%v, want %v (%v)", alone.Trace, renamed, err)
	}
}

func found(id string, start uint64, root string, matched uint32) *tempopb.TraceSearchMetadata {
	return &tempopb.TraceSearchMetadata{TraceID: id, StartTimeUnixNano: start, RootServiceName: root, SpanSets: []*tempopb.SpanSet{{Matched: matched}}}
}

func TestASearchIsThatOfTempoAndTheArchive(t *testing.T) {
	const ranged = "/api/search?q=%7B%7D&start=100&end=200"
	live := func(traces ...*tempopb.TraceSearchMetadata) liveTempo {
		return liveTempo{200, asJSON(t, &tempopb.SearchResponse{Traces: traces, Metrics: &tempopb.SearchMetrics{InspectedTraces: 5}}), "application/json"}
	}
	a := &fakeArchive{found: []*tempopb.TraceSearchMetadata{found("b", 2, "shop", 3), found("c", 1, "", 1)}}
	ask := func(l liveTempo, path string, a *fakeArchive, held func(string) func(string) bool) (ids []string, resp *tempopb.SearchResponse, header http.Header) {
		t.Helper()
		code, body, header := get(t, "GET", both(t, l, Options{Archive: a, Held: held}).URL+path, nil)
		resp = &tempopb.SearchResponse{}
		if code != 200 {
			t.Fatalf("%d %s", code, body)
		}
		if err := fromJSON([]byte(body), resp); err != nil {
			t.Fatal(err)
		}
		for _, tr := range resp.Traces {
			ids = append(ids, tr.TraceID)
		}
		return ids, resp, header
	}

	ids, resp, header := ask(live(found("a", 3, "web", 1), found("b", 2, "<root span not yet received>", 1)), ranged, a, nil)
	if !slices.Equal(ids, []string{"a", "b", "c"}) || header.Get(PartialHeader) != "" {
		t.Errorf("%v %v", ids, header)
	}
	if b := resp.Traces[1]; b.RootServiceName != "shop" || b.SpanSets[0].Matched != 3 {
		t.Errorf("the two halves of a trace became %v", b)
	}
	if c := resp.Traces[2]; c.RootServiceName != "<root span not yet received>" || resp.Metrics.InspectedTraces != 12 {
		t.Errorf("%v %v", c, resp.Metrics)
	}
	if a.search.Start != 100 || a.search.End != 200 || a.search.Query != "{}" || a.search.Limit != 20 || a.search.SpansPerSpanSet != 3 {
		t.Errorf("the archive was asked %v", a.search)
	}

	if ids, _, _ := ask(live(found("a", 3, "web", 1), found("b", 2, "web", 1)), ranged+"&limit=2", a, nil); !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("limit 2: %v", ids)
	}
	if _, _, _ = ask(live(), ranged+"&limit=99999999", a, nil); a.search.Limit != MaxLimit {
		t.Errorf("limit %d reached the archive", a.search.Limit)
	}
	if ids, _, header := ask(liveTempo{}, ranged, a, nil); !slices.Equal(ids, []string{"b", "c"}) || !strings.Contains(header.Get(PartialHeader), "tempo does not answer") {
		t.Errorf("with no Tempo: %v %v", ids, header)
	}
	broken := &fakeArchive{err: errors.New("no such bucket")}
	if ids, _, header := ask(live(found("a", 3, "web", 1)), ranged, broken, nil); !slices.Equal(ids, []string{"a"}) || !strings.Contains(header.Get(PartialHeader), "no such bucket") {
		t.Errorf("with no archive: %v %v", ids, header)
	}

	// Blocks that Tempo has are left to it, but not when it does not answer.
	held := func(string) func(string) bool { return func(b string) bool { return b == "1" } }
	a = &fakeArchive{found: a.found, blocks: []string{"1", "2"}}
	if ids, _, _ := ask(live(found("a", 3, "web", 1)), ranged, a, held); !slices.Equal(ids, []string{"a", "c"}) || len(a.asked) != 1 {
		t.Errorf("%v, asked %v", ids, a.asked)
	}
	a.asked = nil
	if ids, _, _ := ask(liveTempo{502, "", ""}, ranged, a, held); !slices.Equal(ids, []string{"b", "c"}) || len(a.asked) != 2 {
		t.Errorf("with no Tempo: %v, asked %v", ids, a.asked)
	}
}

func TestASearchWithoutARangeIsOfTheLastHour(t *testing.T) {
	a := &fakeArchive{}
	get(t, "GET", both(t, liveTempo{200, "{}", "application/json"}, Options{Archive: a}).URL+"/api/search?q=%7B%7D", nil)
	if a.search.End-a.search.Start != 3600 {
		t.Errorf("%d to %d", a.search.Start, a.search.End)
	}
}

// Without a range Tempo does not look into its storage, whatever is there.
func TestWithoutARangeNothingIsLeftToTempo(t *testing.T) {
	a := &fakeArchive{blocks: []string{"1", "2"}}
	held := func(string) func(string) bool { return func(string) bool { return true } }
	url := both(t, liveTempo{200, "{}", "application/json"}, Options{Archive: a, Held: held}).URL
	for _, path := range []string{"/api/search?q=%7B%7D", "/api/search/tags", "/api/v2/search/tags", "/api/search/tag/x/values", "/api/v2/search/tag/x/values"} {
		for query, want := range map[string]int{"": 2, "start=1&end=2": 0} {
			a.asked = nil
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			get(t, "GET", url+path+sep+query, nil)
			if len(a.asked) != 1 || len(a.asked[0]) != want {
				t.Errorf("%s %s: asked for %v", path, query, a.asked)
			}
		}
	}
}

func TestABadQuestionIsRefused(t *testing.T) {
	a := &fakeArchive{err: badQuestion{errors.New("unexpected }")}}
	for _, c := range []struct {
		live liveTempo
		want string
	}{{liveTempo{400, "tempo says no", "text/plain"}, "tempo says no"}, {liveTempo{}, "unexpected }"}} {
		code, body, _ := get(t, "GET", both(t, c.live, Options{Archive: a}).URL+"/api/search?q=%7B+x", nil)
		if code != 400 || !strings.Contains(body, c.want) {
			t.Errorf("%d %s, want %s", code, body, c.want)
		}
	}
}

func TestTheTenantIsTheRequests(t *testing.T) {
	for _, c := range []struct {
		multi        bool
		header, want string
	}{{false, "", SingleTenant}, {false, "acme", SingleTenant}, {true, "acme", "acme"}, {true, "", SingleTenant}, {true, "a|b", ""}} {
		a := &fakeArchive{trace: spansNamed("c")}
		code, body, header := get(t, "GET", both(t, liveTempo{404, "", ""}, Options{Archive: a, MultiTenant: c.multi}).URL+"/api/traces/af", http.Header{"X-Scope-Orgid": {c.header}})
		switch {
		case c.want == "":
			if code != 404 || len(a.tenants) != 0 || !strings.Contains(header.Get(PartialHeader), "one tenant") {
				t.Errorf("%v: %d %s %v", c, code, body, header)
			}
		case code != 200 || !slices.Equal(a.tenants, []string{c.want}):
			t.Errorf("%v: %d %s, asked %v", c, code, body, a.tenants)
		}
	}
}
