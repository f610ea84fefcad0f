package tempo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/readapi"
	"appliance/internal/traceql"

	"github.com/gogo/protobuf/proto"
)

// engineAt is an engine that asks a server.
func engineAt(t *testing.T, base string) *Engine {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine(func() (*url.URL, error) { return u, nil })
	e.maxAnswer = 1 << 10
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func parse(t *testing.T, q string) *traceql.Query {
	t.Helper()
	query, err := traceql.Parse(q)
	if err != nil {
		t.Fatal(err)
	}
	return query
}

// everyQuestion asks an engine everything, and returns its errors by what was
// asked.
func everyQuestion(ctx context.Context, t *testing.T, e readapi.Engine) map[string]error {
	t.Helper()
	errs := map[string]error{}
	_, errs["trace"] = e.Trace(ctx, readapi.TraceRequest{})
	_, errs["search"] = e.Search(ctx, readapi.SearchRequest{Limit: 1, SpansPerSet: 1}, nil)
	_, errs["tags"] = e.Tags(ctx, readapi.TagsRequest{})
	name := &traceql.Attribute{Intrinsic: traceql.IntrinsicName}
	_, errs["values"] = e.TagValues(ctx, readapi.TagValuesRequest{Attribute: name})
	metric := readapi.MetricsRequest{Query: parse(t, "{ } | rate()"), Start: 1, End: 2}
	_, errs["instant"] = e.Metrics(ctx, metric)
	metric.Step = time.Second
	_, errs["range"] = e.Metrics(ctx, metric)
	return errs
}

// What a Tempo answers that does not answer tells the question's fault from
// Tempo's, and has Tempo's words.
func TestAFaultOfTempoIsTold(t *testing.T) {
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		server http.HandlerFunc
		bad    bool
		words  string
	}{
		"bad question":  {answer(400, "text/plain", "parse error at line 1"), true, "parse error at line 1"},
		"too much":      {answer(422, "text/plain", "trace exceeds max size"), true, "trace exceeds max size"},
		"wrong path":    {answer(404, "text/html", "<h1>nginx</h1>"), true, "404"},
		"broken":        {answer(500, "text/plain", "empty ring"), false, "empty ring"},
		"starting":      {answer(503, "text/plain", "not ready"), false, "not ready"},
		"busy":          {answer(429, "text/plain", "too many requests"), false, "too many requests"},
		"unauthorized":  {answer(401, "text/plain", "no org id"), false, "no org id"},
		"login page":    {answer(200, "text/html", "<html>"), false, "not a Tempo"},
		"redirect":      {http.RedirectHandler("/login", http.StatusFound).ServeHTTP, false, "302"},
		"not protobuf":  {answer(200, protobufType, "\x0a\xff\xff"), false, "read its answer of 3 bytes"},
		"not JSON":      {answer(200, "application/json", `{"traces":`), false, "read its answer of 10 bytes"},
		"nothing":       {answer(200, "application/json", ""), false, "0 bytes"},
		"huge":          {answer(200, "application/json", strings.Repeat(" ", 1<<11)), true, "larger than 1024 bytes"},
		"endless":       {endless, true, "larger than 1024 bytes"},
		"cut":           {cutAnswer, false, "unexpected EOF"},
		"no connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, "EOF"},
	} {
		server := httptest.NewServer(c.server)
		for asked, err := range everyQuestion(t.Context(), t, engineAt(t, server.URL)) {
			var bad *readapi.BadRequest
			switch {
			case err == nil:
				t.Errorf("%s: %s has an answer", name, asked)
			case errors.As(err, &bad) != c.bad || errors.Is(err, readapi.ErrUnavailable) == c.bad && name != "wrong path":
				t.Errorf("%s: %s: %v; the question is at fault: want %t", name, asked, err, c.bad)
			case !strings.Contains(err.Error(), c.words):
				t.Errorf("%s: %s: %v, want %q in it", name, asked, err, c.words)
			}
		}
		server.Close()
	}
}

// endless answers until nobody reads any more.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(make([]byte, 1<<10)); err != nil {
			return
		}
	}
}

// cutAnswer ends before the length that it announced.
func cutAnswer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"traces":[`)
}

// Without an address, and with one that nobody listens on, there is no answer.
func TestATempoThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	gone := server.URL
	server.Close()
	nowhere := NewEngine(func() (*url.URL, error) { return nil, errors.New("no service tempo") })
	for words, e := range map[string]*Engine{"no service tempo": nowhere, "refused": engineAt(t, gone)} {
		for asked, err := range everyQuestion(t.Context(), t, e) {
			if !errors.Is(err, readapi.ErrUnavailable) || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, want that it is not available: %s", asked, err, words)
			}
		}
	}
}

// hangs never answers, in a bubble of synctest.
type hangs struct{}

func (hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A Tempo that hangs costs a question its deadline, or the engine's own.
func TestATempoThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engineAt(t, "http://tempo")
		e.client.Transport = hangs{}
		deadline, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		left, leave := context.WithCancel(t.Context())
		leave()
		for _, c := range []struct {
			ctx  context.Context
			took time.Duration
			want error
		}{{deadline, time.Second, readapi.ErrUnavailable}, {t.Context(), askPatience, readapi.ErrUnavailable}, {left, 0, context.Canceled}} {
			began := time.Now()
			_, err := e.Tags(c.ctx, readapi.TagsRequest{})
			if took := time.Since(began); !errors.Is(err, c.want) || took != c.took {
				t.Errorf("%v after %s, want %v after %s", err, took, c.want, c.took)
			}
		}
	})
}

// The name and password of the URL go to Tempo and into no error, the tenant goes
// into its header, and what could exhaust Tempo's memory goes nowhere.
func TestWhatTempoIsAsked(t *testing.T) {
	var asked []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r)
		http.Error(w, "enough", http.StatusBadGateway)
	}))
	defer server.Close()
	e := engineAt(t, strings.Replace(server.URL, "http://", "http://me:secret@", 1)+"/below/")
	_, err := e.Metrics(t.Context(), readapi.MetricsRequest{
		Tenant: "shop", Query: parse(t, "{ } | rate() with (exemplars=99999999)"), Start: 1, End: 2, Step: time.Second,
	})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	_, _ = e.TagValues(t.Context(), readapi.TagValuesRequest{
		Tenant:    readapi.SingleTenant,
		Attribute: &traceql.Attribute{Scope: traceql.ScopeSpan, Name: "a b/c"},
		Query:     parse(t, `{ resource.service.name = "shop" && span.n > 5 && name =~ "a.*" }`),
	})
	user, password, _ := asked[0].BasicAuth()
	if user != "me" || password != "secret" || asked[0].Header.Get("X-Scope-OrgID") != "shop" {
		t.Errorf("asked with %v", asked[0].Header)
	}
	if got := asked[0].FormValue("q"); got != "{ } | rate()" {
		t.Errorf("asked for %s", got)
	}
	if got := asked[1].URL.EscapedPath(); got != "/below/api/v2/search/tag/span.a%20b%2Fc/values" {
		t.Errorf("asked at %s", got)
	}
	if got := asked[1].FormValue("q"); got != `{ resource.service.name = "shop" && span.n > 5 && name =~ "a.*" }` {
		t.Errorf("asked for the values in %s", got)
	}
	if asked[1].Header.Get("X-Scope-OrgID") != "" {
		t.Error("a Tempo without tenants is told one")
	}
}

// A Tempo that has only the first version of the API is asked by that.
func TestATempoBeforeTheSecondVersion(t *testing.T) {
	var none bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/v2/") {
			http.Error(w, "404 page not found", http.StatusNotFound)
			return
		}
		if none {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", protobufType)
		body, err := proto.Marshal(traceOf(client("a", "")))
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	}))
	defer server.Close()
	e := engineAt(t, server.URL)
	if got, err := e.Trace(t.Context(), readapi.TraceRequest{}); err != nil ||
		spans(got.Trace) != "a" {
		t.Errorf("%v %v", got, err)
	}
	none = true
	if got, err := e.Trace(t.Context(), readapi.TraceRequest{}); err != nil || got.Trace != nil {
		t.Errorf("%v %v", got, err)
	}
}

// What Tempo says is partial is passed on.
func TestPartialAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"PARTIAL","message":"a block is broken","newer":1}`)
	}))
	defer server.Close()
	e := engineAt(t, server.URL)
	trace, err := e.Trace(t.Context(), readapi.TraceRequest{})
	if err != nil || len(trace.Missing) != 1 ||
		!strings.Contains(trace.Missing[0], "a block is broken") {
		t.Errorf("%+v %v", trace, err)
	}
	for _, step := range []time.Duration{0, time.Second} {
		metrics, err := e.Metrics(t.Context(), readapi.MetricsRequest{
			Query: parse(t, "{ } | rate()"), Start: 1, End: 2, Step: step,
		})
		if err != nil || len(metrics.Missing) != 1 {
			t.Errorf("%+v %v", metrics, err)
		}
	}
}

// TestNullInAList has the lists of answers have null, which is nothing that a Tempo
// says.
func TestNullInAList(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		list := "traces"
		switch path := r.URL.Path; {
		case strings.HasSuffix(path, "/tags"):
			list = "scopes"
		case strings.HasSuffix(path, "/values"):
			list = "tagValues"
		case strings.HasPrefix(path, "/api/metrics/"):
			list = "series"
		case strings.HasPrefix(path, "/api/v2/traces/"):
			_, _ = io.WriteString(w, `{"status": null, "trace": {"resourceSpans": [null]}}`)
			return
		}
		_, _ = io.WriteString(w, `{"metrics": null, "`+list+`": [null]}`)
	}))
	defer server.Close()
	for what, err := range everyQuestion(t.Context(), t, engineAt(t, server.URL)) {
		if err == nil || !strings.Contains(err.Error(), "null") {
			t.Errorf("%s: error %v", what, err)
		}
	}
}
