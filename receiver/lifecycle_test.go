package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// gate is a Sink's Keep that waits until it is opened.
type gate struct {
	entered chan struct{}
	open    chan struct{}
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 100), open: make(chan struct{})} }

func (g *gate) keep(context.Context, Batch) error {
	g.entered <- struct{}{}
	<-g.open
	return nil
}

// post sends a request in the background.
func (r *running) post(t testing.TB, body []byte) <-chan int {
	t.Helper()
	code := make(chan int, 1)
	go func() {
		resp, err := r.client.Post(r.url+"/v1/traces", protobufType, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			code <- 0
			return
		}
		resp.Body.Close()
		code <- resp.StatusCode
	}()
	return code
}

func TestDrainThenShutdown(t *testing.T) {
	g := newGate()
	r := startWith(t, Config{}, &everyNth{n: 1}, &memorySink{fail: g.keep})
	body := protobufOf(t, 2)
	inFlight := r.post(t, body)
	<-g.entered

	r.Drain()
	exchange{body: body, want: 503, says: "shutting down", check: func(t *testing.T, resp *http.Response) {
		hasHeader("Retry-After", "1")(t, resp)
		if !resp.Close {
			t.Error("the connection stays open")
		}
	}}.run(t, r)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(ctx) }()
	waitFor(t, func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("shutdown did not wait for the request in flight: %v", err)
	default:
	}
	close(g.open)
	if code := <-inFlight; code != 200 {
		t.Errorf("the request in flight was answered %d", code)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if s := r.Stats(); s.Kept != 2 {
		t.Errorf("kept %d spans, want 2", s.Kept)
	}
}

func TestShutdownGivesUpAtItsDeadline(t *testing.T) {
	g := newGate()
	r := startWith(t, Config{}, &everyNth{n: 1}, &memorySink{fail: g.keep})
	c := dial(t, r)
	body := string(protobufOf(t, 1))
	send(t, c, head(fmt.Sprintf("Content-Length: %d", len(body)))+body)
	<-g.entered
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown returned %v", err)
	}
	close(g.open)
	waitFor(t, func() bool { return r.Stats().InflightRequests == 0 })
}

func TestShutdownClosesAPortThatWasNeverServed(t *testing.T) {
	r, err := New(usual(Config{Listen: "127.0.0.1:0"}), &everyNth{n: 1}, &memorySink{}, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := r.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", r.Addr().String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestListenSaysWhichPortIsTaken(t *testing.T) {
	first := start(t, Config{})
	second, err := New(usual(Config{Listen: first.addr}), &everyNth{n: 1}, &memorySink{}, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Listen(); err == nil || !bytes.Contains([]byte(err.Error()), []byte(first.addr)) {
		t.Errorf("got %v", err)
	}
}

func TestSinkErrors(t *testing.T) {
	body := append(spanWith(goodSpan), protobufOf(t, 3)...) // and an invalid span
	for _, tt := range []struct {
		name string
		err  error
		want exchange
	}{
		{"unavailable", &UnavailableError{RetryAfter: 2500 * time.Millisecond, Err: errors.New("secret host is down")},
			exchange{want: 503, says: "cannot be kept now", check: hasHeader("Retry-After", "3")}},
		{"unavailable for how long", &UnavailableError{Err: errors.New("x")}, exchange{want: 503, check: hasHeader("Retry-After", "1")}},
		{"unknown", errors.New("x"), exchange{want: 503, check: hasHeader("Retry-After", "1")}},
		{"rejected in part", &RejectedError{Spans: 2, Reason: "too old"}, exchange{want: 200, kept: 1, rejected: 3, says: "too old"}},
		{"rejected as a whole", fmt.Errorf("push: %w", &RejectedError{Spans: 3, Reason: "no\nway"}), exchange{want: 200, rejected: 4, says: `no\nway`}},
		{"rejected more than there is", &RejectedError{Spans: 99, Reason: "x"}, exchange{want: 200, rejected: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startWith(t, Config{}, &everyNth{n: 1}, &memorySink{fail: func(context.Context, Batch) error { return tt.err }})
			tt.want.body = body
			tt.want.run(t, r)
			if tt.want.want == 503 && r.Stats().Received != 0 {
				t.Error("spans that the client still has are counted as received")
			}
		})
	}
}

func TestPanicIsAnswered503(t *testing.T) {
	r := startWith(t, Config{}, &everyNth{n: 1}, &memorySink{fail: func(_ context.Context, b Batch) error {
		if b.Spans == 3 {
			panic("sink\nfell over")
		}
		return nil
	}})
	exchange{body: protobufOf(t, 3), want: 503, check: hasHeader("Retry-After", "1")}.run(t, r)
	exchange{body: protobufOf(t, 2), want: 200, kept: 2}.run(t, r)
	if s := r.Stats(); s.Panics != 1 || s.InflightBytes != 0 {
		t.Errorf("counted %d panics, %d bytes are still held", s.Panics, s.InflightBytes)
	}
	if logs := r.logs.String(); !bytes.Contains([]byte(logs), []byte("lifecycle_test.go")) {
		t.Errorf("no stack in the log: %s", logs)
	}
}

func TestSamplingIsAccountedFor(t *testing.T) {
	r := startWith(t, Config{}, &everyNth{n: 10}, &memorySink{})
	invalid := append(spanWith(goodSpan), spanWith(goodTrace, field(2, []byte("x")))...)
	for _, x := range []exchange{
		{body: protobufOf(t, 256), want: 200, kept: 26},
		{body: append(bytes.Clone(invalid), protobufOf(t, 100)...), want: 200, kept: 10, rejected: 2},
		{header: map[string]string{"Content-Encoding": "gzip"}, body: gz(t, protobufOf(t, 100)), want: 200, kept: 10},
		{body: protobufOf(t, 100)[1:], want: 400},
	} {
		x.run(t, r)
	}
	s := r.Stats()
	want := Tally{reasonKeep: 46, reasonDrop: 410}
	if s.Received != 458 || s.Kept != 46 || s.SampledOut != 410 || s.Decisions != want {
		t.Errorf("received %d, kept %d, sampled out %d, decisions %v", s.Received, s.Kept, s.SampledOut, s.Decisions)
	}
	if s.Invalid[1] != 1 || s.Invalid[2] != 1 { // trace id, span id
		t.Errorf("invalid spans by reason: %v", s.Invalid)
	}
	if s.WireBytes >= s.BodyBytes || s.KeptBytes*5 > s.BodyBytes {
		t.Errorf("bytes on the wire %d, decompressed %d, kept %d", s.WireBytes, s.BodyBytes, s.KeptBytes)
	}
}

func TestNothingKeptNeedsNoSink(t *testing.T) {
	sink := &memorySink{fail: func(context.Context, Batch) error { return errors.New("must not be asked") }}
	r := startWith(t, Config{}, &everyNth{n: 255}, sink)
	all := traces(3)
	for i := range 3 {
		s := all.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(i)
		s.SetTraceID([16]byte{1, 15: 7})
	}
	body, err := all.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	exchange{body: body, want: 200}.run(t, r)
	if n := r.Stats().SampledOut; n != 3 {
		t.Errorf("sampled out %d spans, want 3", n)
	}
}

// Whoever reads the books while requests come in finds them balanced.
func TestBooksBalanceAtAnyTime(t *testing.T) {
	r := startWith(t, Config{}, &everyNth{n: 3}, &memorySink{})
	body := append(spanWith(goodSpan), protobufOf(t, 50)...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			if code := <-r.post(t, body); code != 200 {
				t.Errorf("answered %d", code)
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
			if s := r.Stats(); s.Received != s.Kept+s.SampledOut+s.Rejected() || s.Received%51 != 0 {
				t.Fatalf("received %d, kept %d, sampled out %d, rejected %d", s.Received, s.Kept, s.SampledOut, s.Rejected())
			}
		}
	}
}
