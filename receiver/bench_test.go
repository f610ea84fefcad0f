package receiver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/durable"
	"appliance/internal/otlpwire"
	"appliance/internal/red"
)

// tenPercent keeps one trace in ten and marks it, as the sampler does.
type tenPercent struct{}

func (tenPercent) Sample(s *otlpwire.Span, buf []byte) (otlpwire.Verdict, uint8, []byte) {
	if s.TraceID[15]%10 != 0 {
		return otlpwire.Verdict{}, reasonDrop, buf
	}
	buf = append(buf[:0], "ot=th:e666"...)
	return otlpwire.Verdict{Keep: true, Rewrite: true, TraceState: buf}, reasonKeep, buf
}

type discardSink struct{}

func (discardSink) Ready() error                      { return nil }
func (discardSink) Keep(context.Context, Batch) error { return nil }

func newBare(t testing.TB, sampler Sampler) *Receiver {
	t.Helper()
	r, err := New(usual(Config{Listen: "127.0.0.1:0"}), sampler, discardSink{}, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// quiet is an http.ResponseWriter without a network, so that what is counted is ours.
type quiet struct {
	header http.Header
	code   int
}

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) WriteHeader(code int)        { q.code = code }
func (q *quiet) Write(p []byte) (int, error) { return len(p), nil }

// replay calls the handler with the same request again and again.
type replay struct {
	r    *Receiver
	w    quiet
	req  *http.Request
	body bytes.Reader
	data []byte
}

func newReplay(t testing.TB, r *Receiver, header map[string]string, data []byte) *replay {
	t.Helper()
	p := &replay{r: r, data: data, w: quiet{header: http.Header{}}, req: newRequest(t, "http://x", data)}
	for k, v := range header {
		p.req.Header.Set(k, v)
	}
	p.req.Body = io.NopCloser(&p.body)
	return p
}

func (p *replay) once(t testing.TB) {
	p.body.Reset(p.data)
	p.r.ServeHTTP(&p.w, p.req)
	if p.w.code != http.StatusOK {
		t.Fatalf("answered %d", p.w.code)
	}
}

type encoded struct {
	header map[string]string
	data   []byte
}

// encodings of a request of n spans.
func encodings(t testing.TB, n int) map[string]encoded {
	t.Helper()
	body := protobufOf(t, n)
	return map[string]encoded{
		"protobuf": {nil, body},
		"gzip":     {map[string]string{"Content-Encoding": "gzip"}, gz(t, body)},
		"zstd":     {map[string]string{"Content-Encoding": "zstd"}, zst(t, body)},
		"json":     {map[string]string{"Content-Type": jsonType}, jsonOf(t, n)},
	}
}

func TestAllocationsDoNotGrowWithSpans(t *testing.T) {
	const few = 12
	r := newBare(t, tenPercent{})
	small, large := encodings(t, 1), encodings(t, 1000)
	for name := range small {
		one := newReplay(t, r, small[name].header, small[name].data).allocations(t, few)
		many := newReplay(t, r, large[name].header, large[name].data).allocations(t, one+2)
		if one > few || many > one+2 {
			t.Errorf("%s: %v allocations for one span, %v for 1000", name, one, many)
		}
	}
}

// allocations are those of a request for which no pool had forgotten anything, as far
// as that is more than enough: under -race one forgets a quarter of what it is given.
func (p *replay) allocations(t testing.TB, enough float64) float64 {
	least := math.Inf(1)
	for tries := 0; tries < 200 && least > enough; tries++ {
		least = min(least, testing.AllocsPerRun(1, func() { p.once(t) }))
	}
	return least
}

func BenchmarkHandler(b *testing.B) {
	for _, spans := range []int{1, 512} {
		for name, e := range encodings(b, spans) {
			b.Run(fmt.Sprintf("%s/spans=%d", name, spans), func(b *testing.B) {
				p := newReplay(b, newBare(b, tenPercent{}), e.header, e.data)
				b.ReportAllocs()
				for b.Loop() {
					p.once(b)
				}
				b.ReportMetric(float64(spans)*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
			})
		}
	}
}

// BenchmarkServe serves requests of 512 spans from another process, so that the
// CPU time of this one is the server's, and compares with a server that only
// reads and discards.
func BenchmarkServe(b *testing.B) {
	b.Run("discard", func(b *testing.B) {
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
		})}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		go func() { _ = s.Serve(l) }()
		defer s.Close()
		underLoad(b, l.Addr().String())
	})
	for name, meter := range map[string]*red.Meter{"receiver": nil, "receiver, measuring": newMeter(b)} {
		b.Run(name, func(b *testing.B) {
			r, err := New(usual(Config{Listen: "127.0.0.1:0", Meter: meter}), tenPercent{}, discardSink{}, discardLog)
			if err != nil {
				b.Fatal(err)
			}
			serveUnderLoad(b, r)
		})
	}
}

func serveUnderLoad(b *testing.B, r *Receiver) {
	stop := serving(b, r)
	underLoad(b, r.Addr().String())
	stop()
}

// serving serves until stop is called.
func serving(b *testing.B, r *Receiver) (stop func()) {
	if err := r.Listen(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- r.Serve(ctx) }()
	return func() {
		cancel()
		if err := <-served; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMeasure states what counting spans costs in the receiving path, with
// edges: the CPU time of requests with and without it, by turns, as a share of
// the time without. A request has 512 spans of 64 operations; half of them are of
// clients, and the others of the servers that they call.
func BenchmarkMeasure(b *testing.B) {
	meter := newMeter(b)
	body, err := calls(loadSpans)
	if err != nil {
		b.Fatal(err)
	}
	plain := newReplay(b, newBare(b, tenPercent{}), nil, body)
	r, err := New(usual(Config{Listen: "127.0.0.1:0", Meter: meter}), tenPercent{}, discardSink{}, discardLog)
	if err != nil {
		b.Fatal(err)
	}
	measured := newReplay(b, r, nil, body)
	spend := func(p *replay) time.Duration {
		before := cpuTime(b)
		for range 64 {
			p.once(b)
		}
		return cpuTime(b) - before
	}
	var with, without time.Duration
	for b.Loop() {
		without += spend(plain)
		with += spend(measured)
	}
	b.ReportMetric(100*float64(with-without)/float64(without), "%handler")
	b.ReportMetric(float64(with-without)/float64(b.N*64*loadSpans), "cpu-ns/span")
}

func newMeter(t testing.TB) *red.Meter {
	t.Helper()
	m, err := red.Open(red.Options{Dir: t.TempDir(), FS: durable.OS, MaxSeries: 5000, PairWait: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// calls makes a request of n spans: of two services in turn, the second of which
// is called by the first.
func calls(n int) ([]byte, error) {
	req := traces(n)
	all := req.Traces().ResourceSpans().At(0)
	called := req.Traces().ResourceSpans().AppendEmpty()
	called.Resource().Attributes().PutStr("service.name", "catalog")
	servers := called.ScopeSpans().AppendEmpty().Spans()
	i := 0
	all.ScopeSpans().At(0).Spans().RemoveIf(func(s ptrace.Span) bool {
		i++
		s.SetName(fmt.Sprintf("GET /api/v1/products/{id}/%d", i/2%32))
		s.SetEndTimestamp(s.StartTimestamp() + pcommon.Timestamp(i*i*1000))
		s.Attributes().PutStr("url.path", fmt.Sprintf("/api/v1/products/%010X", i*i*i))
		s.Attributes().PutStr("network.peer.address", fmt.Sprintf("10.42.17.%d", 200+i%16))
		s.SetKind(ptrace.SpanKindClient)
		if i%2 == 1 {
			return false
		}
		s.SetKind(ptrace.SpanKindServer)
		s.SetParentSpanID(pcommon.SpanID{1, 5: byte((i - 2) >> 16), 6: byte((i - 2) >> 8), 7: byte(i - 2)})
		s.SetTraceID(pcommon.TraceID{1, 2, 3, 14: byte((i - 2) >> 8), 15: byte(i - 2)})
		s.CopyTo(servers.AppendEmpty())
		return true
	})
	return req.MarshalProto()
}

const (
	loadVariable = "RECEIVER_TEST_LOAD"
	loadSpans    = 512
)

func underLoad(b *testing.B, addr string) {
	l := startLoad(b, addr)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	l.send(b, b.N)
	used := cpuTime(b) - before
	b.StopTimer()
	b.ReportMetric(float64(b.N)*loadSpans/used.Seconds(), "spans/cpu-s")
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
	l.stop(b)
}

// load is a process that sends requests.
type load struct {
	process *exec.Cmd
	in      io.WriteCloser
	done    *bufio.Reader
}

func startLoad(b *testing.B, addr string) *load {
	l := &load{process: exec.Command(os.Args[0])}
	l.process.Env = append(os.Environ(), loadVariable+"="+addr)
	l.process.Stderr = os.Stderr
	var err error
	if l.in, err = l.process.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := l.process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	l.done = bufio.NewReader(out)
	if err := l.process.Start(); err != nil {
		b.Fatal(err)
	}
	l.send(b, 100) // to warm up
	return l
}

// send returns when n requests are answered.
func (l *load) send(b *testing.B, n int) {
	if _, err := fmt.Fprintln(l.in, n); err != nil {
		b.Fatal(err)
	}
	if line, err := l.done.ReadString('\n'); err != nil || line != "done\n" {
		b.Fatalf("load: %q, %v", line, err)
	}
}

func (l *load) stop(b *testing.B) {
	l.in.Close()
	if err := l.process.Wait(); err != nil {
		b.Fatal(err)
	}
}

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// generateLoad runs in a process of its own: for each number on stdin it sends
// as many requests, one after another, and says when they are answered.
func generateLoad(addr string) {
	body, err := calls(loadSpans)
	if err == nil {
		err = sendLoad(addr, append([]byte(head(fmt.Sprintf("Content-Length: %d", len(body)))), body...))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func sendLoad(addr string, request []byte) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	var n int
	for {
		if _, err := fmt.Scanln(&n); err != nil {
			return nil // stdin was closed
		}
		for range n {
			if _, err := c.Write(request); err != nil {
				return err
			}
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				return err
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("answered %s", resp.Status)
			}
		}
		fmt.Println("done")
	}
}
