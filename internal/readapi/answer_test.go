package readapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func get(t *testing.T, url string) (code int, header http.Header, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, strings.TrimSpace(string(text))
}

func oneSpan() *tempopb.Trace {
	return &tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{
		ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{{Name: "x"}}}},
	}}}
}

// An answer that lacks something says so, in each form that it has.
func TestPartialAnswers(t *testing.T) {
	lacks := Missing{"block a\ncannot be read", "block b is damaged"}
	const header = "block a cannot be read; block b is damaged"
	engine := &fakeEngine{
		trace:   &TraceAnswer{Trace: oneSpan(), Missing: lacks},
		search:  &SearchAnswer{Missing: lacks},
		tags:    &TagsAnswer{Missing: lacks},
		values:  &TagValuesAnswer{Missing: lacks},
		metrics: &MetricsAnswer{Missing: lacks},
	}
	base := serve(t, engine)
	for path, want := range map[string]string{
		"/api/traces/1":            `{"batches":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}`,
		"/api/v2/traces/1":         `{"trace":{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]},"metrics":{},"status":"PARTIAL","message":"block a\ncannot be read\nblock b is damaged"}`,
		"/api/search":              `{"traces":[],"metrics":{}}`,
		"/api/search/tags":         `{"tagNames":[],"metrics":{}}`,
		"/api/search/tag/a/values": `{"tagValues":[],"metrics":{}}`,
		"/api/metrics/query?q=" + q("{}|rate()&start=1&end=2"):       `{"metrics":{},"status":"PARTIAL","message":"block a\ncannot be read\nblock b is damaged"}`,
		"/api/metrics/query_range?q=" + q("{}|rate()&start=1&end=2"): `{"series":[],"metrics":{},"status":"PARTIAL","message":"block a\ncannot be read\nblock b is damaged"}`,
	} {
		code, h, body := get(t, base+path)
		if code != http.StatusOK || h.Get(PartialHeader) != header || body != want {
			t.Errorf("%s: %d, %q\n%s, want %q\n%s", path, code, h.Get(PartialHeader), body, header, want)
		}
	}
	engine.trace = &TraceAnswer{Missing: lacks}
	if code, h, body := get(t, base+"/api/traces/1"); code != http.StatusServiceUnavailable ||
		!strings.Contains(body, "not everything could be searched: block a") || h.Get(PartialHeader) != header {
		t.Errorf("a trace that may be in what is missing: %d, %q, %q", code, h.Get(PartialHeader), body)
	}
	engine.trace = &TraceAnswer{}
	if code, h, body := get(t, base+"/api/traces/1"); code != http.StatusNotFound || body != "" || h.Get(PartialHeader) != "" {
		t.Errorf("a trace that is nowhere: %d, %q, %q", code, h.Get(PartialHeader), body)
	}
}

func q(text string) string {
	return strings.NewReplacer("|", "%7C", "{", "%7B", "}", "%7D").Replace(text)
}

// The fault is the question's, of the moment, or ours.
func TestErrorsOfTheEngine(t *testing.T) {
	engine := &fakeEngine{}
	base := serve(t, engine)
	client := dial(t, base)
	for _, c := range []struct {
		err  error
		http int
		grpc codes.Code
	}{
		{fmt.Errorf("ask: %w", &BadRequest{Why: "no"}), http.StatusBadRequest, codes.InvalidArgument},
		{fmt.Errorf("ask: %w", &traceql.Error{Why: "no"}), http.StatusBadRequest, codes.InvalidArgument},
		{fmt.Errorf("ask: %w", ErrUnavailable), http.StatusServiceUnavailable, codes.Unavailable},
		{errors.New("broken"), http.StatusInternalServerError, codes.Internal},
	} {
		engine.err = c.err
		if code, h, body := get(t, base+"/api/search"); code != c.http || body != c.err.Error() ||
			(h.Get("Retry-After") != "") != (code == http.StatusServiceUnavailable) {
			t.Errorf("%v: %d %q, retry %q", c.err, code, body, h.Get("Retry-After"))
		}
		stream, err := client.SearchTags(t.Context(), &tempopb.SearchTagsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != c.grpc {
			t.Errorf("%v: over gRPC %v", c.err, err)
		}
	}
}

func dial(t *testing.T, base string) tempopb.StreamingQuerierClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+strings.TrimPrefix(base, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return tempopb.NewStreamingQuerierClient(conn)
}

// A search streams what it finds at once, and everything in its order at the
// end.
func TestStreamedSearch(t *testing.T) {
	found := func(ids ...byte) (traces []*traceql.FoundTrace) {
		for _, id := range ids {
			traces = append(traces, &traceql.FoundTrace{ID: [16]byte{15: id}})
		}
		return traces
	}
	engine := &fakeEngine{
		streams: [][]*traceql.FoundTrace{found(2), found(1, 3)},
		search:  &SearchAnswer{Traces: found(3, 2, 1), Missing: Missing{"a block"}},
	}
	stream, err := dial(t, serve(t, engine)).Search(t.Context(), &tempopb.SearchRequest{Query: "{}"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ids := ""
		for _, tr := range resp.Traces {
			ids += tr.TraceID
		}
		got = append(got, ids)
	}
	if want := "2 13 321"; strings.Join(got, " ") != want {
		t.Errorf("the stream was %q, want %q", got, want)
	}
	if got := stream.Trailer().Get(partialTrailer); len(got) != 1 || got[0] != "a block" {
		t.Errorf("the trailer says %q", got)
	}
}

// searchStream is a stream of a search that remembers what is sent.
type searchStream struct {
	grpc.ServerStream
	ctx  context.Context
	sent []*tempopb.SearchResponse
}

func (s *searchStream) Context() context.Context  { return s.ctx }
func (s *searchStream) SetTrailer(md metadata.MD) {}
func (s *searchStream) Send(r *tempopb.SearchResponse) error {
	s.sent = append(s.sent, r)
	return nil
}

// A long answer is sent in messages of about 1 MiB, while it runs and at the end.
func TestStreamedSearchInMessages(t *testing.T) {
	const traces, nameBytes = 50, 100 << 10
	var found []*traceql.FoundTrace
	for id := range byte(traces) {
		found = append(found, &traceql.FoundTrace{ID: [16]byte{15: id}, RootName: strings.Repeat("x", nameBytes)})
	}
	h := New(Options{
		Engine: &fakeEngine{search: &SearchAnswer{Traces: found}, streams: [][]*traceql.FoundTrace{found}},
		Logger: slog.New(slog.DiscardHandler),
	})
	defer h.Close()
	to := &searchStream{ctx: t.Context()}
	if err := (streamer{h}).Search(&tempopb.SearchRequest{Query: "{}"}, to); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, resp := range to.sent {
		if n += len(resp.Traces); resp.Size() > messageBytes+1<<10 {
			t.Errorf("a message of %d bytes", resp.Size())
		}
	}
	if n != 2*traces || len(to.sent) != 2*5 {
		t.Errorf("%d traces in %d messages", n, len(to.sent))
	}
}

// A streamed search counts among the answers that are put together at once.
func TestStreamedSearchWaitsItsTurn(t *testing.T) {
	engine := &fakeEngine{}
	h := New(Options{Engine: engine, Logger: slog.New(slog.DiscardHandler)})
	defer h.Close()
	for range maxAnswers {
		h.turns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := (streamer{h}).Search(&tempopb.SearchRequest{Query: "{}"}, &searchStream{ctx: ctx})
	if !errors.Is(err, ErrUnavailable) || engine.asked != nil {
		t.Errorf("%v; the engine was asked %v", err, engine.asked)
	}
	<-h.turns
	if err := (streamer{h}).Search(&tempopb.SearchRequest{Query: "{}"}, &searchStream{ctx: t.Context()}); err != nil || len(h.turns) != maxAnswers-1 {
		t.Errorf("%v; %d turns are taken", err, len(h.turns))
	}
}

// Without a step, as tempo-cli asks, it is that of HTTP.
func TestStreamedRangeWithoutStep(t *testing.T) {
	engine := &fakeEngine{}
	stream, err := dial(t, serve(t, engine)).MetricsQueryRange(t.Context(),
		&tempopb.QueryRangeRequest{Query: "{}|rate()", Start: 1, End: 2})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	if got := question(engine.asked); err != nil || !strings.Contains(got, "step=1s") {
		t.Errorf("%v; the engine was asked %s", err, got)
	}
}

// panicking is an engine with a fault.
type panicking struct{ fakeEngine }

func (*panicking) Tags(context.Context, TagsRequest) (*TagsAnswer, error) { panic("fault") }

func TestPanicEndsOneStream(t *testing.T) {
	client := dial(t, serve(t, &panicking{}))
	stream, err := client.SearchTagsV2(t.Context(), &tempopb.SearchTagsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Internal {
		t.Errorf("the stream that panicked: %v", err)
	}
	again, err := client.SearchTagValues(t.Context(), &tempopb.SearchTagValuesRequest{TagName: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Recv(); err != nil {
		t.Errorf("the one after it: %v", err)
	}
}

func TestTenantOfAStream(t *testing.T) {
	s := streamer{&Handler{Options: Options{MultiTenant: true}}}
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("X-Scope-OrgID", "a"))
	if got, err := s.tenantOfStream(contextStream{ctx: ctx}); got != "a" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

type contextStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (c contextStream) Context() context.Context { return c.ctx }

// More answers than there are turns wait, and are refused when they have waited
// too long.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{turns: make(chan struct{}, maxAnswers)}
		var leave func()
		for range maxAnswers {
			var err error
			if leave, err = h.takeTurn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := h.takeTurn(ctx); !errors.Is(err, ErrUnavailable) {
			t.Errorf("one too many: %v", err)
		}
		go leave()
		if _, err := h.takeTurn(t.Context()); err != nil {
			t.Errorf("after one has left: %v", err)
		}
	})
}

// lateEngine takes as long as it may, and answers with what it has then.
type lateEngine struct{ fakeEngine }

func (e *lateEngine) Search(ctx context.Context, _ SearchRequest, _ Found) (*SearchAnswer, error) {
	<-ctx.Done()
	return &SearchAnswer{Traces: []*traceql.FoundTrace{{RootName: "found in time"}}, Missing: Missing{"the time for the query is over"}}, nil
}

func (e *lateEngine) Metrics(ctx context.Context, _ MetricsRequest) (*MetricsAnswer, error) {
	<-ctx.Done()
	return &MetricsAnswer{Missing: Missing{"the time for the query is over"}}, nil
}

// Later implements Patient as a semaphore does, which refuses whoever has no time.
func (e *lateEngine) Later(ctx context.Context, do func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	do()
	return nil
}

// What was found until the time is over is answered, and says so.
func TestAnswerOfALateQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Engine: &lateEngine{}})
		defer h.Close()
		for _, path := range []string{"/api/search?q={}&limit=5", "/api/metrics/query_range?q={}|rate()&start=1&end=100&step=10"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if w.Code != http.StatusOK || w.Header().Get(PartialHeader) != "the time for the query is over" {
				t.Errorf("%s: %d %s, missing %q", path, w.Code, w.Body, w.Header().Get(PartialHeader))
			}
			if strings.Contains(path, "search") && !strings.Contains(w.Body.String(), "found in time") {
				t.Errorf("%s: %s", path, w.Body)
			}
		}
	})
}

// A list that is too long is cut, and says so.
func TestLongLists(t *testing.T) {
	engine := &fakeEngine{}
	base := serve(t, engine)
	for _, path := range []string{"/api/search/tag/a/values", "/api/v2/search/tag/.a/values"} {
		engine.values = &TagValuesAnswer{Values: []traceql.Value{
			traceql.StringValue("a"), traceql.StringValue(strings.Repeat("b", maxTagBytes)),
		}}
		_, h, body := get(t, base+path)
		if len(body) > 100 || !strings.Contains(body, `"a"`) ||
			h.Get(PartialHeader) != "the list is longer than 10485760 bytes" {
			t.Errorf("%s: %.100s, %q", path, body, h.Get(PartialHeader))
		}
	}
}

// A value is answered with its type, as a query has to write it.
func TestTypesOfValues(t *testing.T) {
	engine := &fakeEngine{values: &TagValuesAnswer{Values: []traceql.Value{
		traceql.StringValue("b"), traceql.StringValue(""), traceql.IntValue(-5), traceql.FloatValue(7),
		traceql.FloatValue(1e6), traceql.BoolValue(true), traceql.DurationValue(1500),
		{Type: traceql.TypeStatus, Num: 2}, {Type: traceql.TypeKind, Num: 3}, traceql.StringValue("7"),
	}}}
	base := serve(t, engine)
	const typed = `{"tagValues":[{"type":"bool","value":"true"},{"type":"float","value":"1e+06"},` +
		`{"type":"float","value":"7.0"},{"type":"int","value":"-5"},{"type":"int","value":"1500"},` +
		`{"type":"keyword","value":"client"},{"type":"keyword","value":"error"},{"type":"string"},` +
		`{"type":"string","value":"7"},{"type":"string","value":"b"}],"metrics":{}}`
	if _, _, body := get(t, base+"/api/v2/search/tag/span.a/values"); body != typed {
		t.Errorf("got\n%s, want\n%s", body, typed)
	}
	const plain = `{"tagValues":["","-5","1.5µs","1e+06","7","7.0","b","client","error","true"],"metrics":{}}`
	if _, _, body := get(t, base+"/api/search/tag/a/values"); body != plain {
		t.Errorf("got\n%s, want\n%s", body, plain)
	}
}

func TestScopesOfTags(t *testing.T) {
	engine := &fakeEngine{tags: &TagsAnswer{Keys: map[traceql.Scope][]string{
		traceql.ScopeResource: {"b", "c"}, traceql.ScopeSpan: {"a", "b"}, traceql.ScopeLink: {},
	}}}
	base := serve(t, engine)
	const intrinsics = `{"name":"intrinsic","tags":["duration","event:name","event:timeSinceStart",` +
		`"instrumentation:name","instrumentation:version","kind","name","rootName","rootServiceName",` +
		`"span:duration","span:kind","span:name","span:status","span:statusMessage","status",` +
		`"statusMessage","trace:duration","trace:rootName","trace:rootService","traceDuration"]}`
	for path, want := range map[string]string{
		"/api/search/tags": `{"tagNames":["a","b","c"],"metrics":{}}`,
		"/api/v2/search/tags?scope=span": `{"scopes":[{"name":"span","tags":["a","b"]},` +
			`{"name":"resource","tags":["b","c"]}],"metrics":{}}`,
		"/api/v2/search/tags": `{"scopes":[{"name":"span","tags":["a","b"]},` +
			`{"name":"resource","tags":["b","c"]},` + intrinsics + `],"metrics":{}}`,
		"/api/v2/search/tags?scope=intrinsic": `{"scopes":[` + intrinsics + `],"metrics":{}}`,
	} {
		if _, _, body := get(t, base+path); body != want {
			t.Errorf("%s: got\n%s, want\n%s", path, body, want)
		}
	}
}

func TestBuildInfo(t *testing.T) {
	const want = `{"version":"1.2.3","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":""}`
	if code, _, body := get(t, serve(t, &fakeEngine{})+"/api/status/buildinfo"); code != 200 || body != want {
		t.Errorf("%d %s", code, body)
	}
}
