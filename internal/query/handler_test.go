package query

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// newAPI is a Handler in front of a server that answers with what it was asked.
func newAPI(t *testing.T, basePath string) *httptest.Server {
	t.Helper()
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Tenant", r.Header.Get("X-Scope-OrgID"))
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI())
	}))
	t.Cleanup(tempo.Close)
	base, err := url.Parse(tempo.URL + basePath)
	if err != nil {
		t.Fatal(err)
	}
	h := New(Options{Backend: func() (Backend, error) { return Backend{HTTP: base}, nil }, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(h.Close)
	api := httptest.NewServer(h)
	t.Cleanup(api.Close)
	return api
}

func get(t *testing.T, method, url string, header http.Header) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

func TestThePathsOfTheAPIReachTempo(t *testing.T) {
	api := newAPI(t, "/prefix")
	for _, c := range []struct{ ask, want string }{
		{"/api/traces/0af7651916cd43dd8448eb211c80319c?start=1&end=2", "GET /prefix/api/traces/0af7651916cd43dd8448eb211c80319c?end=2&start=1"},
		{"/api/v2/traces/AF", "GET /prefix/api/v2/traces/AF"},
		{"/api/search?q=%7B%7D&limit=5", "GET /prefix/api/search?limit=5&q=%7B%7D"},
		{"/api/search/tags?scope=span", "GET /prefix/api/search/tags?scope=span"},
		{"/api/v2/search/tags", "GET /prefix/api/v2/search/tags"},
		{"/api/search/tag/service.name/values", "GET /prefix/api/search/tag/service.name/values"},
		{"/api/v2/search/tag/span.a%2Fb%20c/values", "GET /prefix/api/v2/search/tag/span.a%2Fb%20c/values"},
		{"/api/metrics/query_range?q=%7B%7D%7Crate%28%29&step=1s", "GET /prefix/api/metrics/query_range?q=%7B%7D%7Crate%28%29&step=1s"},
		{"/api/metrics/query", "GET /prefix/api/metrics/query"},
		{"/api/status/buildinfo", "GET /prefix/api/status/buildinfo"},
		{"/api/echo", "echo"},
	} {
		code, body, header := get(t, "GET", api.URL+c.ask, http.Header{"X-Scope-Orgid": {"a"}})
		if code != 200 || body != c.want {
			t.Errorf("%s: %d %s, want %s", c.ask, code, body, c.want)
		}
		if c.want != "echo" && header.Get("X-Tenant") != "a" {
			t.Errorf("%s: the tenant is lost", c.ask)
		}
	}
}

func TestNothingElseReachesTempo(t *testing.T) {
	api := newAPI(t, "")
	for _, c := range []struct {
		method, ask string
		header      http.Header
		want        int
	}{
		{"GET", "/flush", nil, 404},
		{"GET", "/shutdown", nil, 404},
		{"GET", "/status/config", nil, 404},
		{"GET", "/api/status/config", nil, 404},
		{"GET", "/api/overrides", nil, 404},
		{"GET", "/metrics", nil, 404},
		{"GET", "/querier/api/search", nil, 404},
		{"GET", "/api/traces/..%2f..%2fflush", nil, 400},
		{"GET", "/api/traces/%2e%2e", nil, 400},
		{"GET", "/api/traces/" + strings.Repeat("a", 33), nil, 400},
		{"GET", "/api/traces/xyz", nil, 400},
		{"GET", "/api/search/tag/%2e%2e/values", nil, 400},
		{"POST", "/api/search", nil, 405},
		{"DELETE", "/api/traces/af", nil, 405},
		{"GET", "/api/search", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, 400},
	} {
		code, body, _ := get(t, c.method, api.URL+c.ask, c.header)
		if code != c.want || strings.HasPrefix(body, c.method+" /") {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.ask, code, body, c.want)
		}
	}
}

func TestWhatCouldExhaustTempoIsBounded(t *testing.T) {
	api := newAPI(t, "")
	for _, c := range []struct{ ask, name, want string }{
		{"/api/search?limit=4294967295", "limit", "10000"},
		{"/api/search?limit=99999999999999999999999", "limit", "10000"},
		{"/api/search?limit=10000", "limit", "10000"},
		{"/api/search?limit=%2B4000000000", "limit", "10000"},
		{"/api/search?limit=-5", "limit", "-5"},
		{"/api/search?limit=-99999999999999999999999", "limit", "-99999999999999999999999"},
		{"/api/metrics/query_range?exemplars=%2B100000", "exemplars", "100"},
		{"/api/metrics/query_range?exemplars=-1", "exemplars", "100"}, // 32 bits without a sign, for Tempo
		{"/api/search?limit=x", "limit", "x"},                         // Tempo says what is wrong with it
		{"/api/metrics/query_range?exemplars=100000", "exemplars", "100"},
		{"/api/metrics/query_range?q=" + url.QueryEscape(`{ .a = "b" } | rate() with (exemplars=1000000000)`), "q", "{ .a = `b` } | rate()"},
		{"/api/metrics/query_range?q=" + url.QueryEscape(`{ } | rate() with (sample=0.1, exemplars=1000000000)`), "q", "{ true } | rate() with(sample=0.1)"},
		{"/api/search?q=" + url.QueryEscape(`{ .a = "with (exemplars=9)" } with (most_recent=true)`), "q", `{ .a = "with (exemplars=9)" } with (most_recent=true)`},
		{"/api/search?q=" + url.QueryEscape(`{ not TraceQL`), "q", `{ not TraceQL`},
	} {
		_, body, _ := get(t, "GET", api.URL+c.ask, nil)
		asked, err := url.Parse(strings.TrimPrefix(body, "GET "))
		if err != nil {
			t.Fatal(err)
		}
		if got := asked.Query().Get(c.name); got != c.want {
			t.Errorf("%s: %s is %s, want %s", c.ask, c.name, got, c.want)
		}
	}
}

func TestWithoutTempoTheAnswerIs503AndSaysWhy(t *testing.T) {
	h := New(Options{Backend: func() (Backend, error) { return Backend{}, errors.New("it is starting") }, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(h.Close)
	api := httptest.NewServer(h)
	t.Cleanup(api.Close)
	code, body, header := get(t, "GET", api.URL+"/api/search", nil)
	if code != 503 || body != "tempo does not answer: it is starting\n" || header.Get("Retry-After") == "" {
		t.Errorf("%d %q", code, body)
	}

	gone := httptest.NewServer(http.NotFoundHandler())
	base, err := url.Parse(gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	h.backend = func() (Backend, error) { return Backend{HTTP: base}, nil }
	if code, body, _ := get(t, "GET", api.URL+"/api/traces/af", nil); code != 503 || !strings.Contains(body, "connection refused") {
		t.Errorf("%d %q", code, body)
	}
}
