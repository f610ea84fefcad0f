package forwarder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tempo is a backend that can be made to answer anything; the real one is met in e2e/.
type tempo struct {
	*httptest.Server
	mu     sync.Mutex
	names  []string // of the spans received, in order
	tenant string
	calls  int
}

func newTempo(t *testing.T, answer func(w http.ResponseWriter, names []string)) *tempo {
	t.Helper()
	tp := &tempo{}
	tp.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			t.Error(err)
		}
		var names []string
		for _, rs := range req.Traces().ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					names = append(names, s.Name())
				}
			}
		}
		tp.mu.Lock()
		tp.calls++
		tp.tenant = r.Header.Get("X-Scope-OrgID")
		tp.mu.Unlock()
		answer(w, names)
	}))
	t.Cleanup(tp.Close)
	return tp
}

func (tp *tempo) keep(names []string) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.names = append(tp.names, names...)
}

func payload(t *testing.T, names ...string) []byte {
	t.Helper()
	req := ptraceotlp.NewExportRequest()
	spans := req.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for i, n := range names {
		s := spans.AppendEmpty()
		s.SetName(n)
		s.SetTraceID(pcommon.TraceID{1, byte(i)})
		s.SetSpanID(pcommon.SpanID{1, byte(i)})
	}
	b, err := req.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newDirect(t *testing.T, url string, inFlight int) *Direct {
	t.Helper()
	d := NewDirect(Options{Endpoint: func() (string, error) { return url, nil }, InFlight: inFlight, MaxBytes: 1 << 20, Timeout: 5 * time.Second, Patience: 5 * time.Second})
	t.Cleanup(d.Close)
	return d
}

func TestEachAnswerOfTempoIsSorted(t *testing.T) {
	partial := ptraceotlp.NewExportResponse()
	partial.PartialSuccess().SetRejectedSpans(1)
	partial.PartialSuccess().SetErrorMessage("one is bad")
	partialBody, err := partial.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		status int
		header string
		body   []byte
		want   error
	}{
		{name: "ok", status: 200},
		{name: "ok with nonsense", status: 200, body: []byte("fine\xff")},
		{name: "partial success", status: 200, body: partialBody, want: &RejectedError{Spans: 1, Reason: "one is bad"}},
		{name: "malformed", status: 400, body: []byte("bad\x00 id"), want: &RejectedError{Spans: 2, Reason: "HTTP 400 bad id"}},
		{name: "too large", status: 413, want: &RejectedError{Spans: 2, Reason: "HTTP 413"}},
		{name: "rate limit", status: 429, header: "3", want: &UnavailableError{RetryAfter: 3 * time.Second}},
		{name: "rate limit of Tempo 2.x", status: 500, want: &UnavailableError{}},
		{name: "overload", status: 503, header: "nonsense", want: &UnavailableError{}},
		{name: "our operator's wrong token", status: 401, want: &UnavailableError{}},
		{name: "our operator's wrong path", status: 404, want: &UnavailableError{}},
		{name: "redirect", status: 302, want: &UnavailableError{}},
		{name: "a year's patience", status: 503, header: "31536000", want: &UnavailableError{RetryAfter: time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tp := newTempo(t, func(w http.ResponseWriter, _ []string) {
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write(c.body)
			})
			err := newDirect(t, tp.URL, 1).Send(t.Context(), "a", 2, payload(t, "x", "y"))
			var gotR, wantR *RejectedError
			var gotU, wantU *UnavailableError
			switch {
			case errors.As(c.want, &wantR):
				if !errors.As(err, &gotR) || *gotR != *wantR {
					t.Errorf("got %v, want %v", err, c.want)
				}
			case errors.As(c.want, &wantU):
				if !errors.As(err, &gotU) || gotU.RetryAfter != wantU.RetryAfter {
					t.Errorf("got %#v, want %#v", err, c.want)
				}
			case err != nil:
				t.Errorf("got %v", err)
			}
			if tp.tenant != "a" {
				t.Errorf("tenant %q", tp.tenant)
			}
		})
	}
}

// Batches that wait share a request; one that Tempo refuses for good costs only itself.
func TestOnlyTheGuiltyBatchOfASharedRequestIsRejected(t *testing.T) {
	const batches = 20
	var tp *tempo
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	tp = newTempo(t, func(w http.ResponseWriter, names []string) {
		once.Do(func() { close(entered); <-release })
		for _, n := range names {
			if n == "bad" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
		}
		tp.keep(names)
	})
	d := newDirect(t, tp.URL, 1)
	results := make([]error, batches)
	var wg sync.WaitGroup
	wg.Go(func() { results[0] = d.Send(t.Context(), "", 1, payload(t, "span-0")) })
	<-entered
	for i := 1; i < batches; i++ {
		name := fmt.Sprintf("span-%d", i)
		if i == 7 {
			name = "bad"
		}
		p := payload(t, name)
		wg.Go(func() { results[i] = d.Send(t.Context(), "", 1, p) })
	}
	close(release)
	wg.Wait()
	for i, err := range results {
		var rejected *RejectedError
		if i == 7 && (!errors.As(err, &rejected) || rejected.Spans != 1) || i != 7 && err != nil {
			t.Errorf("batch %d: %v", i, err)
		}
	}
	seen := map[string]int{}
	for _, n := range tp.names {
		seen[n]++
	}
	if len(seen) != batches-1 {
		t.Errorf("%d of %d spans arrived: %v", len(seen), batches-1, seen)
	}
	if got := d.Stats().Spans; got != batches-1 {
		t.Errorf("stats count %d spans", got)
	}
}

func TestTenantsDoNotShareARequest(t *testing.T) {
	var mu sync.Mutex
	byTenant := map[string][]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		tenant := r.Header.Get("X-Scope-OrgID")
		for _, name := range []string{"of-a", "of-b"} {
			for range bytes.Count(body, []byte(name)) {
				byTenant[tenant] = append(byTenant[tenant], name)
			}
		}
	}))
	t.Cleanup(srv.Close)
	d := newDirect(t, srv.URL, 2)
	var wg sync.WaitGroup
	for i := range 60 {
		tenant := []string{"a", "b"}[i%2]
		p := payload(t, "of-"+tenant)
		wg.Go(func() {
			if err := d.Send(t.Context(), tenant, 1, p); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for tenant, names := range byTenant {
		if len(names) != 30 {
			t.Errorf("tenant %s has %d spans", tenant, len(names))
		}
		for _, n := range names {
			if n != "of-"+tenant {
				t.Errorf("tenant %s has %s", tenant, n)
			}
		}
	}
}

func TestNoTempoIsUnavailableNotLost(t *testing.T) {
	d := NewDirect(Options{Endpoint: func() (string, error) { return "", errors.New("starting") }, InFlight: 1, MaxBytes: 1, Timeout: time.Second})
	var u *UnavailableError
	if err := d.Send(t.Context(), "", 1, nil); !errors.As(err, &u) {
		t.Errorf("got %v", err)
	}
	d.Close()
	if err := d.Send(t.Context(), "", 1, nil); !errors.As(err, &u) || !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
	gone := newDirect(t, "http://u:geheim@127.0.0.1:1/", 1)
	err := gone.Send(t.Context(), "", 1, nil)
	if !errors.As(err, &u) || bytes.Contains([]byte(err.Error()), []byte("geheim")) {
		t.Errorf("got %v", err)
	}
}

func TestHangingTempoEndsWithTheTimeout(t *testing.T) {
	hang := make(chan struct{})
	tp := newTempo(t, func(http.ResponseWriter, []string) { <-hang })
	defer close(hang)
	d := NewDirect(Options{Endpoint: func() (string, error) { return tp.URL, nil }, InFlight: 1, MaxBytes: 1, Timeout: 50 * time.Millisecond})
	defer d.Close()
	var u *UnavailableError
	if err := d.Send(context.Background(), "", 1, payload(t, "x")); !errors.As(err, &u) {
		t.Errorf("got %v", err)
	}
}

// What waits behind a hanging request is refused before its client gives up.
func TestBatchBehindAHangingRequestIsUnavailable(t *testing.T) {
	entered, hang := make(chan struct{}), make(chan struct{})
	tp := newTempo(t, func(http.ResponseWriter, []string) { close(entered); <-hang })
	d := NewDirect(Options{Endpoint: func() (string, error) { return tp.URL, nil }, InFlight: 1, MaxBytes: 1, Timeout: time.Minute, Patience: 20 * time.Millisecond})
	var first sync.WaitGroup
	defer d.Close()
	defer first.Wait()
	defer close(hang)
	p := payload(t, "x")
	first.Go(func() { _ = d.Send(context.Background(), "", 1, p) })
	<-entered
	var u *UnavailableError
	if err := d.Send(t.Context(), "", 1, p); !errors.As(err, &u) || !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
}

// A request larger than any buffer, of payloads of all sizes, arrives byte for byte, also the second on a connection.
func TestLargeSharedRequestArrivesWhole(t *testing.T) {
	var got []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "u" || password != "p" {
			t.Errorf("credentials %q %q", user, password)
		}
		var err error
		if got, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	var payloads [][]byte
	spans := 0
	for i := range 40 {
		payloads = append(payloads, bytes.Repeat([]byte{byte(i)}, i*i*i))
		spans++
	}
	want := bytes.Join(payloads, nil)
	url := "http://u:p@" + srv.Listener.Addr().String() + "/"
	c := newClient(func() (string, error) { return url, nil }, 5*time.Second, 1)
	t.Cleanup(c.transport.CloseIdleConnections)
	for range 3 {
		got = nil
		if err := c.post(t.Context(), "", spans, payloads); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes arrived, other than the %d sent", len(got), len(want))
		}
	}
	if len(payloads[1]) != 1 {
		t.Error("the senders' payloads were changed")
	}
}

func TestTracesURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://h:4318":             "http://h:4318/v1/traces",
		"http://h:4318/":            "http://h:4318/v1/traces",
		"https://h/otlp/v1/traces":  "https://h/otlp/v1/traces",
		"http://u:p@h:4318?a=b":     "http://u:p@h:4318/v1/traces?a=b",
		"http://h:4318/v1/traces?x": "http://h:4318/v1/traces?x",
	} {
		if got, err := TracesURL(in); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
}
