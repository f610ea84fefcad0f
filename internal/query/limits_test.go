package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestAMergerHoldsNoMoreThanTheLimit(t *testing.T) {
	m := newSearchMerger(&tempopb.SearchRequest{Limit: MaxLimit + 1})
	resp := &tempopb.SearchResponse{}
	for n := range MaxLimit {
		resp.Traces = append(resp.Traces, &tempopb.TraceSearchMetadata{TraceID: fmt.Sprint(n), StartTimeUnixNano: 1})
	}
	m.add(0, resp)
	if !m.full() {
		t.Errorf("%d traces are not enough for it", MaxLimit)
	}
}

// longQuery is one with bytes bytes.
func longQuery(bytes int) string { return "{" + strings.Repeat(" ", bytes-2) + "}" }

func TestALongQueryIsRefusedOverHTTP(t *testing.T) {
	for _, archive := range []Archive{nil, &fakeArchive{}} {
		api := newAPI(t, "")
		api.Config.Handler.(*Handler).archive = archive
		for _, path := range []string{
			"/api/search?q=", "/api/metrics/query_range?q=", "/api/metrics/query_range?query=", "/api/metrics/query?query=", "/api/v2/search/tags?q=",
			"/api/v2/search/tag/.a/values?q=", "/api/search?q=%7B%7D&q=",
		} {
			code, body, _ := get(t, "GET", api.URL+path+url.QueryEscape(longQuery(maxQuery+1)), nil)
			if code != 400 || !strings.Contains(body, "8192 is the limit") {
				t.Errorf("%s: %d %.100s", path, code, body)
			}
		}
		if code, body, _ := get(t, "GET", api.URL+"/api/metrics/query?q="+url.QueryEscape(longQuery(maxQuery)), nil); code != 200 {
			t.Errorf("one of %d bytes: %d %.100s", maxQuery, code, body)
		}
	}
}

// methods calls each method of the service for one message; the error is io.EOF where there is none.
func methods(ctx context.Context, c tempopb.StreamingQuerierClient, query string) map[string]error {
	return map[string]error{
		"Search":              one(c.Search(ctx, &tempopb.SearchRequest{Query: query})),
		"SearchTags":          one(c.SearchTags(ctx, &tempopb.SearchTagsRequest{Query: query})),
		"SearchTagsV2":        one(c.SearchTagsV2(ctx, &tempopb.SearchTagsRequest{Query: query})),
		"SearchTagValues":     one(c.SearchTagValues(ctx, &tempopb.SearchTagValuesRequest{TagName: ".a", Query: query})),
		"SearchTagValuesV2":   one(c.SearchTagValuesV2(ctx, &tempopb.SearchTagValuesRequest{TagName: ".a", Query: query})),
		"MetricsQueryRange":   one(c.MetricsQueryRange(ctx, &tempopb.QueryRangeRequest{Query: query})),
		"MetricsQueryInstant": one(c.MetricsQueryInstant(ctx, &tempopb.QueryInstantRequest{Query: query})),
	}
}

func one[S interface{ RecvMsg(any) error }](s S, err error) error {
	if err != nil {
		return err
	}
	return s.RecvMsg(&tempopb.PushResponse{}) // which has no fields
}

func TestALongQueryIsRefusedOverGRPC(t *testing.T) {
	archive := &fakeArchive{}
	client := stream(t, &streamingTempo{}, Options{Archive: archive})
	for method, err := range methods(t.Context(), client, longQuery(maxQuery+1)) {
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "8192 is the limit") {
			t.Errorf("%s: %v", method, err)
		}
	}
	if len(archive.asked) != 0 {
		t.Errorf("the archive was asked %d times", len(archive.asked))
	}
	for method, err := range methods(t.Context(), client, longQuery(maxQuery)) {
		if status.Code(err) == codes.InvalidArgument || status.Code(err) == codes.ResourceExhausted {
			t.Errorf("%s of %d bytes: %v", method, maxQuery, err)
		}
	}
	for method, err := range methods(t.Context(), client, longQuery(maxRequest+1)) {
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%s of %d bytes: %v", method, maxRequest+1, err)
		}
	}
}

// panicking panics at each question.
type panicking struct{ Archive }

func TestAPanicOverGRPCCostsOneAnswer(t *testing.T) {
	var log bytes.Buffer
	for name, o := range map[string]Options{
		"of the archive":     {Archive: panicking{}, Backend: func() (Backend, error) { return Backend{}, errors.New("starting") }},
		"of tempo's answer":  {Archive: &fakeArchive{err: errors.New("no such bucket")}, Backend: func() (Backend, error) { panic("no backend") }},
		"without an archive": {Backend: func() (Backend, error) { panic("no backend") }},
	} {
		log.Reset()
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		client := clientOf(t, New(o))
		_, _, _, err := streamed(t, client, &tempopb.SearchRequest{Query: "{}"})
		if want := name != "of tempo's answer"; err == nil || (status.Code(err) == codes.Internal) != want || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(log.String(), "panicked") || !strings.Contains(log.String(), "limits_test.go") && !strings.Contains(log.String(), "stream.go") {
			t.Errorf("%s: the log does not say where: %s", name, &log)
		}
	}
}

func TestMetricsOfNobodyAreAnError(t *testing.T) {
	if resp, err := joinSeries(nil, nil); err == nil {
		t.Errorf("%v", resp)
	}
	client := stream(t, &streamingTempo{}, Options{Archive: &fakeArchive{}, MultiTenant: true})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-scope-orgid", "a|b") // the archive is not asked, and Tempo says nothing
	if err := one(client.MetricsQueryRange(ctx, &tempopb.QueryRangeRequest{Query: "{} | rate()"})); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
}

// turnArchive notes how many turns are held while it is asked.
type turnArchive struct {
	fakeArchive
	h    *Handler
	held []int
}

func (a *turnArchive) Search(ctx context.Context, tenant string, req *tempopb.SearchRequest, skip func(string) bool, progress func(*tempopb.SearchResponse) error) (*tempopb.SearchResponse, []error, error) {
	a.held = append(a.held, len(a.h.turns))
	return a.fakeArchive.Search(ctx, tenant, req, skip, progress)
}

func (a *turnArchive) SearchTagsV2(ctx context.Context, tenant string, req *tempopb.SearchTagsRequest, skip func(string) bool) (*tempopb.SearchTagsV2Response, []error, error) {
	a.held = append(a.held, len(a.h.turns))
	return a.fakeArchive.SearchTagsV2(ctx, tenant, req, skip)
}

func (a *turnArchive) QueryRange(ctx context.Context, tenant string, req *tempopb.QueryRangeRequest, skip func(string) bool) (*tempopb.QueryRangeResponse, []error, error) {
	a.held = append(a.held, len(a.h.turns))
	return a.fakeArchive.QueryRange(ctx, tenant, req, skip)
}

// What is answered with one message has a turn, and gives it back; a streamed search needs none.
func TestAStreamOfOneMessageHasATurn(t *testing.T) {
	for name, want := range map[string]int{"Search": 0, "SearchTagsV2": 1, "MetricsQueryRange": 1} {
		a := &turnArchive{}
		a.h = New(Options{Archive: a, Backend: func() (Backend, error) { return Backend{}, errors.New("starting") }, Logger: slog.New(slog.DiscardHandler)})
		client := clientOf(t, a.h)
		for range maxMerging + 1 {
			var err error
			var s grpc.ClientStream
			switch name {
			case "Search":
				s, err = client.Search(t.Context(), &tempopb.SearchRequest{Query: "{}"})
			case "SearchTagsV2":
				s, err = client.SearchTagsV2(t.Context(), &tempopb.SearchTagsRequest{})
			default:
				s, err = client.MetricsQueryRange(t.Context(), &tempopb.QueryRangeRequest{Query: "{} | rate()"})
			}
			for err == nil {
				err = s.RecvMsg(&tempopb.PushResponse{})
			}
			if !errors.Is(err, io.EOF) {
				t.Fatal(name, err)
			}
		}
		if len(a.held) != maxMerging+1 || a.held[0] != want {
			t.Errorf("%s: turns held %v, want %d", name, a.held, want)
		}
	}
}

func TestOnlySoManyAnswersAreMergedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := func(h *Handler) (*httptest.ResponseRecorder, chan time.Duration) {
			w, took, began := httptest.NewRecorder(), make(chan time.Duration, 1), time.Now()
			go func() {
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/api/search?q=%7B%7D", nil))
				took <- time.Since(began)
			}()
			return w, took
		}
		for archive, want := range map[time.Duration]struct {
			code int
			took time.Duration
		}{10 * time.Second: {200, 20 * time.Second}, time.Hour: {503, patience - reserve}} {
			h := New(Options{
				Backend: func() (Backend, error) { return Backend{HTTP: &url.URL{Scheme: "http", Host: "tempo"}}, nil },
				Archive: &slowArchive{wait: archive}, Logger: slog.New(slog.DiscardHandler),
			})
			h.proxy.Transport = lateTempo{}
			var others []chan time.Duration
			for range maxMerging {
				if archive == time.Hour { // they hold their turns for longer than a client waits
					h.turns <- struct{}{}
					continue
				}
				_, took := ask(h)
				others = append(others, took)
			}
			synctest.Wait()
			w, took := ask(h)
			if got := <-took; got != want.took || w.Code != want.code {
				t.Errorf("an archive that takes %s: %d after %s, want %d after %s", archive, w.Code, got, want.code, want.took)
			}
			if w.Code == 503 && (!strings.Contains(w.Body.String(), "4 other answers") || w.Header().Get("Retry-After") == "") {
				t.Errorf("%s %v", w.Body, w.Header())
			}
			for _, took := range others {
				<-took
			}
			if len(h.turns) != 0 && archive != time.Hour {
				t.Errorf("%d turns are held for ever", len(h.turns))
			}
			h.grpc.close()
		}
	})
}

// slowArchive takes its time and has one trace.
type slowArchive struct {
	Archive
	wait time.Duration
}

func (s *slowArchive) Search(ctx context.Context, _ string, _ *tempopb.SearchRequest, _ func(string) bool, _ func(*tempopb.SearchResponse) error) (*tempopb.SearchResponse, []error, error) {
	if err := after(ctx, s.wait); err != nil {
		return nil, nil, err
	}
	return &tempopb.SearchResponse{Traces: []*tempopb.TraceSearchMetadata{found("b", 2, "shop", 3)}}, nil, nil
}

func TestWhatIsPassedOnHoldsNoTurn(t *testing.T) {
	end := make(chan struct{})
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(" ", 64<<10))
		w.(http.Flusher).Flush()
		<-end
	}))
	t.Cleanup(tempo.Close)
	base, err := url.Parse(tempo.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := New(Options{Backend: func() (Backend, error) { return Backend{HTTP: base}, nil }, Archive: &fakeArchive{}, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(h.Close)
	api := httptest.NewServer(h)
	t.Cleanup(api.Close)
	t.Cleanup(func() { close(end) })
	resp, err := http.Get(api.URL + "/api/search?q=%7B%7D")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 32<<10)); err != nil {
		t.Fatal(err)
	}
	if len(h.turns) != 0 {
		t.Errorf("%d turns are held", len(h.turns))
	}
}
