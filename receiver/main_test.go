package receiver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.uber.org/goleak"

	"appliance/internal/otlpwire"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(loadVariable); addr != "" {
		generateLoad(addr)
		return
	}
	goleak.VerifyTestMain(m)
}

// memorySink keeps batches in memory, or answers what fail says.
type memorySink struct {
	mu      sync.Mutex
	batches []Batch
	fail    func(context.Context, Batch) error
	unready error
}

func (s *memorySink) Ready() error { return s.unready }

func (s *memorySink) Keep(ctx context.Context, b Batch) error {
	if s.fail != nil {
		if err := s.fail(ctx, b); err != nil {
			return err
		}
	}
	b.Payload = bytes.Clone(b.Payload)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, b)
	return nil
}

func (s *memorySink) kept() []Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.batches)
}

// spans counts what the payloads really hold.
func (s *memorySink) spans(t testing.TB) (n int) {
	t.Helper()
	for _, b := range s.kept() {
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(b.Payload); err != nil {
			t.Fatalf("payload is not a request: %v", err)
		}
		if got := req.Traces().SpanCount(); got != b.Spans {
			t.Errorf("payload has %d spans, batch says %d", got, b.Spans)
		}
		n += b.Spans
	}
	return n
}

const (
	reasonKeep = iota
	reasonDrop
)

// everyNth keeps spans whose trace id's last byte is a multiple of n.
type everyNth struct {
	n byte
}

func (s *everyNth) Sample(sp *otlpwire.Span, buf []byte) (otlpwire.Verdict, uint8, []byte) {
	if s.n > 1 && sp.TraceID[15]%s.n != 0 {
		return otlpwire.Verdict{}, reasonDrop, buf
	}
	return otlpwire.Verdict{Keep: true}, reasonKeep, buf
}

// lockedBuffer takes log lines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a Receiver on a port of its own.
type running struct {
	*Receiver
	addr   string
	url    string
	grpc   string // URL of the port of OTLP/gRPC
	h2     *http.Client
	sink   *memorySink
	logs   *lockedBuffer
	client *http.Client
}

// start runs a receiver until the end of the test, which also checks that
// nothing of a request is left and every span is accounted for.
// usual is a configuration with everything that a test has not set.
func usual(c Config) Config {
	setDefault(&c.MaxBodyBytes, 16<<20)
	setDefault(&c.InflightBytes, 64<<20)
	setDefault(&c.ReadHeaderTimeout, 10*time.Second)
	setDefault(&c.ReadTimeout, 30*time.Second)
	setDefault(&c.IdleTimeout, 2*time.Minute)
	return c
}

func start(t testing.TB, cfg Config) *running {
	t.Helper()
	return startWith(t, cfg, &everyNth{n: 1}, &memorySink{})
}

func startWith(t testing.TB, cfg Config, sampler *everyNth, sink *memorySink) *running {
	t.Helper()
	r := &running{sink: sink, logs: &lockedBuffer{}}
	cfg = usual(cfg)
	cfg.Listen, cfg.GRPCListen = "127.0.0.1:0", "127.0.0.1:0"
	setDefault(&cfg.reloadInterval, time.Nanosecond)
	var err error
	if r.Receiver, err = New(cfg, sampler, sink, slog.New(slog.NewTextHandler(r.logs, nil))); err != nil {
		t.Fatal(err)
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := r.ListenGRPC(); err != nil {
		t.Fatal(err)
	}
	r.grpc = "http://" + r.GRPCAddr().String()
	r.addr = r.Addr().String()
	r.url = "http://" + r.addr
	transport := &http.Transport{DisableCompression: true}
	r.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirected") },
	}
	h2 := newHTTP2Transport()
	r.h2 = &http.Client{Transport: h2}
	served := make(chan error, 1)
	go func() { served <- r.Serve(context.Background()) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		h2.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		r.checkBooks(t)
	})
	return r
}

// newHTTP2Transport speaks HTTP/2 alone, without TLS where the URL says so.
func newHTTP2Transport() *http.Transport {
	t := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

func (r *running) checkBooks(t testing.TB) {
	t.Helper()
	s := r.Stats()
	var ruledOut uint64
	for _, n := range s.RuledOut {
		ruledOut += n
	}
	if s.Received != s.Kept+s.SampledOut+s.Rejected()+ruledOut {
		t.Errorf("received %d spans, but kept %d + sampled out %d + rejected %d + ruled out %d", s.Received, s.Kept, s.SampledOut, s.Rejected(), ruledOut)
	}
	if int(s.Kept+s.Refused) != r.sink.spans(t) && r.sink.fail == nil {
		t.Errorf("kept %d and refused %d spans, the sink has %d", s.Kept, s.Refused, r.sink.spans(t))
	}
	var decided uint64
	for _, n := range s.Decisions {
		decided += n
	}
	if decided != s.Kept+s.SampledOut+s.Refused {
		t.Errorf("decisions %v of %d kept, %d sampled out and %d refused spans", s.Decisions, s.Kept, s.SampledOut, s.Refused)
	}
	if s.InflightBytes != 0 || s.InflightRequests != 0 || s.Connections != 0 {
		t.Errorf("at the end %d bytes, %d requests and %d connections are in flight", s.InflightBytes, s.InflightRequests, s.Connections)
	}
}

// traces makes a request of n spans of about 400 bytes, with trace ids that end
// in 0, 1, 2, ...
func traces(n int) ptraceotlp.ExportRequest {
	req := ptraceotlp.NewExportRequest()
	rs := req.Traces().ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "checkout")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for i := range n {
		s := spans.AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, 2, 3, 14: byte(i >> 8), 15: byte(i)})
		s.SetSpanID(pcommon.SpanID{1, 5: byte(i >> 16), 6: byte(i >> 8), 7: byte(i)})
		s.SetParentSpanID(pcommon.SpanID{9, 7: byte(i)})
		s.SetName("GET /api/v1/products/{id}")
		s.SetStartTimestamp(1_700_000_000_000_000_000)
		s.SetEndTimestamp(1_700_000_000_050_000_000)
		a := s.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("url.path", "/api/v1/products/0PUK6V6EV0")
		a.PutStr("server.address", "frontend.shop.example.com")
		a.PutInt("http.response.status_code", 200)
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)")
		a.PutStr("network.peer.address", "10.42.17.201")
	}
	return req
}

func protobufOf(t testing.TB, n int) []byte {
	t.Helper()
	b, err := traces(n).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func jsonOf(t testing.TB, n int) []byte {
	t.Helper()
	b, err := traces(n).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newRequest(t testing.TB, url string, body []byte) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", protobufType)
	return req
}
