package pages

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/net/html"

	"appliance/internal/blockstore"
	"appliance/internal/live"
	"appliance/internal/querier"
	"appliance/internal/readapi"
	"appliance/internal/spool"
)

// world is a store with spans, and the pages over it.
type world struct {
	t     testing.TB
	store *blockstore.Store
	pages *Handler
}

func newWorld(t testing.TB, change func(*Options)) *world {
	t.Helper()
	dir := t.TempDir()
	sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{NoSpare: true})
	must(t, err)
	store, err := blockstore.Open(t.Context(), blockstore.Options{Dir: filepath.Join(dir, "blocks"), Spool: sp})
	must(t, err)
	q := querier.New(querier.Options{Store: store})
	t.Cleanup(func() {
		q.Close()
		if err := sp.Close(); err != nil {
			t.Error(err)
		}
	})
	o := Options{
		Engine: q, Version: "1.2.3", Logger: slog.New(slog.DiscardHandler),
		WriteOTLP: func(w io.Writer, tr *tempopb.Trace) error {
			_, err := fmt.Fprintf(w, `{"resources":%d}`, len(tr.ResourceSpans))
			return err
		},
		Status: func() Status { return Status{Ready: true, Text: "all is well\n"} },
	}
	if change != nil {
		change(&o)
	}
	h, err := New(o)
	must(t, err)
	return &world{t, store, h}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// aSpan is a span for keep.
type aSpan struct {
	trace, id, parent byte
	service, name     string
	kind              ptrace.SpanKind
	from, to          time.Duration // after began
	failed, undecided bool
	state             string
	more              func(ptrace.Span)
}

// began is when traces of tests begin: long enough ago to be settled.
func began() time.Time { return time.Now().Add(-10 * time.Minute).Truncate(time.Second) }

// keep stores spans.
func (w *world) keep(at time.Time, spans ...aSpan) {
	w.t.Helper()
	all := ptrace.NewTraces()
	for _, s := range spans {
		rs := all.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", s.service)
		if s.undecided { // as internal/live has it
			rs.Resource().Attributes().PutBool(live.UndecidedKey, true)
		}
		p := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		p.SetTraceID(pcommon.TraceID{15: s.trace})
		p.SetSpanID(pcommon.SpanID{7: s.id})
		if s.parent != 0 {
			p.SetParentSpanID(pcommon.SpanID{7: s.parent})
		}
		p.SetName(s.name)
		p.SetKind(s.kind)
		p.TraceState().FromRaw(s.state)
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(at.Add(s.from)))
		p.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(s.to)))
		if s.failed {
			p.Status().SetCode(ptrace.StatusCodeError)
			p.Status().SetMessage("out of money")
		}
		if s.more != nil {
			s.more(p)
		}
	}
	payload, err := new(ptrace.ProtoMarshaler).MarshalTraces(all)
	must(w.t, err)
	must(w.t, w.store.Put(w.t.Context(), readapi.SingleTenant, payload))
}

// get asks for a page.
func (w *world) get(path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", "text/html")
	answer := httptest.NewRecorder()
	w.pages.ServeHTTP(answer, r)
	return answer
}

// page asks for a page that must be there, and holds what each must hold.
func (w *world) page(code int, path string) string {
	w.t.Helper()
	answer := w.get(path)
	body := answer.Body.String()
	if answer.Code != code {
		w.t.Fatalf("%s: code %d, want %d: %s", path, answer.Code, code, words(w.t, body))
	}
	if p := answer.Header().Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
		w.t.Errorf("%s: policy %q", path, p)
	}
	checkMarkup(w.t, path, body)
	return body
}

// checkMarkup holds what a browser would not say: that nothing inline stands in
// a page, nothing comes from elsewhere, and no id is there twice.
func checkMarkup(t testing.TB, path, body string) {
	t.Helper()
	ids := map[string]bool{}
	z := html.NewTokenizer(strings.NewReader(body))
	for z.Next() != html.ErrorToken {
		token := z.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		named := false
		for _, a := range token.Attr {
			switch {
			case a.Key == "style" || strings.HasPrefix(a.Key, "on"):
				t.Errorf("%s: inline %s=%q in <%s>", path, a.Key, a.Val, token.Data)
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("%s: id %q is there twice", path, a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case a.Key == "src" || a.Key == "href" || a.Key == "action":
				named = true
				if !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Val, "//") {
					t.Errorf("%s: %s=%q leads elsewhere", path, a.Key, a.Val)
				}
			}
		}
		if token.Data == "script" && !named || token.Data == "style" || token.Data == "img" {
			t.Errorf("%s: an inline <%s>", path, token.Data)
		}
	}
}

// words is the text of a page.
func words(t testing.TB, body string) string {
	t.Helper()
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(body))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.Join(strings.Fields(b.String()), " ")
		case html.TextToken:
			b.WriteString(z.Token().Data + " ")
		}
	}
}

// says fails if a page does not say something.
func says(t testing.TB, body string, want ...string) {
	t.Helper()
	text := words(t, body)
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("it does not say %q:\n%s", s, text)
		}
	}
}
