package receiver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// call is one gRPC request and what must come back.
type call struct {
	name     string
	path     string // Export of the trace service
	kind     string // application/grpc
	header   map[string]string
	body     []byte // with its prefix
	want     int    // google.rpc.Code
	counted  int    // HTTP status that it counts as, 200 if 0
	says     string
	rejected int
	kept     int
	retry    time.Duration // in RetryInfo; 0: there is none
	onHTTP   bool          // sent to the port of OTLP/HTTP
}

// framed is a message as gRPC sends it.
func framed(flag byte, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(message))), message...)
}

func (c call) request(t testing.TB, r *running) *http.Request {
	t.Helper()
	to, path, kind := r.grpc, c.path, c.kind
	if c.onHTTP {
		to = r.url
	}
	if path == "" {
		path = grpcExport
	}
	if kind == "" {
		kind = grpcType
	}
	req, err := http.NewRequest(http.MethodPost, to+path, bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = -1
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Te", "trailers")
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	return req
}

func (c call) run(t *testing.T, r *running) {
	t.Helper()
	before := r.Stats()
	resp, err := r.h2.Do(c.request(t, r))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != grpcType {
		t.Fatalf("answered %d in %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	code, message, rejected, retry := decodeCall(t, resp, body)
	if code != c.want {
		t.Fatalf("status %d, want %d: %q", code, c.want, message)
	}
	if !strings.Contains(message, c.says) {
		t.Errorf("message %q, want %q in it", message, c.says)
	}
	if rejected != c.rejected {
		t.Errorf("rejected %d spans, want %d", rejected, c.rejected)
	}
	if retry != c.retry {
		t.Errorf("RetryInfo says %v, want %v", retry, c.retry)
	}
	waitFor(t, func() bool { return r.Stats().InflightRequests == 0 })
	after := r.Stats()
	if n := after.Kept - before.Kept; int(n) != c.kept {
		t.Errorf("kept %d spans, want %d", n, c.kept)
	}
	if n := after.Rejected() - before.Rejected(); int(n) != c.rejected {
		t.Errorf("counted %d rejected spans, want %d", n, c.rejected)
	}
	if c.want != 0 && after.Received != before.Received {
		t.Error("counted spans of a refused request as received")
	}
	counted := c.counted
	if counted == 0 {
		counted = 200
	}
	if n := after.Requests[counted] - before.Requests[counted]; n != 1 {
		t.Errorf("counted %d requests with status %d", n, counted)
	}
	if after.InflightBytes != 0 {
		t.Errorf("%d bytes are held after the answer", after.InflightBytes)
	}
}

// decodeCall reads an answer as a client does.
func decodeCall(t *testing.T, resp *http.Response, body []byte) (code int, message string, rejected int, retry time.Duration) {
	t.Helper()
	from := resp.Trailer
	if resp.Header.Get("Grpc-Status") != "" {
		from = resp.Header
		if len(body) > 0 {
			t.Errorf("a status alone has a body of %d bytes", len(body))
		}
	}
	code, err := strconv.Atoi(from.Get("Grpc-Status"))
	if err != nil {
		t.Fatalf("no grpc-status: header %v, trailer %v", resp.Header, resp.Trailer)
	}
	message, err = url.PathUnescape(from.Get("Grpc-Message"))
	if err != nil {
		t.Errorf("grpc-message %q: %v", from.Get("Grpc-Message"), err)
	}
	if code != 0 {
		if message == "" {
			t.Error("an error without a message")
		}
		return code, message, 0, retryInfo(t, code, message, from.Get("Grpc-Status-Details-Bin"))
	}
	if len(body) < grpcPrefix || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-grpcPrefix {
		t.Fatalf("answer %q is not a message", body)
	}
	answer := ptraceotlp.NewExportResponse()
	if err := answer.UnmarshalProto(body[grpcPrefix:]); err != nil {
		t.Fatal(err)
	}
	return 0, answer.PartialSuccess().ErrorMessage(), int(answer.PartialSuccess().RejectedSpans()), 0
}

func retryInfo(t *testing.T, code int, message, details string) time.Duration {
	t.Helper()
	if details == "" {
		return 0
	}
	raw, err := base64.RawStdEncoding.DecodeString(details)
	if err != nil {
		t.Fatal(err)
	}
	var st status.Status
	if err := proto.Unmarshal(raw, &st); err != nil {
		t.Fatal(err)
	}
	if int(st.Code) != code || st.Message != message || len(st.Details) != 1 {
		t.Errorf("details %v do not go with status %d, %q", &st, code, message)
	}
	var info errdetails.RetryInfo
	if err := st.Details[0].UnmarshalTo(&info); err != nil {
		t.Fatal(err)
	}
	return info.RetryDelay.AsDuration()
}

func TestCalls(t *testing.T) {
	r := start(t, Config{MaxBodyBytes: 8 << 20})
	body := protobufOf(t, 3)
	with := func(kv ...string) map[string]string {
		h := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			h[kv[i]] = kv[i+1]
		}
		return h
	}
	gzip, zstd := with("grpc-encoding", "gzip"), with("grpc-encoding", "zstd")
	zeros := make([]byte, 100<<20)
	const service = "/opentelemetry.proto.collector."
	groups := map[string][]call{
		"taken": {
			{name: "plain", body: framed(0, body), kept: 3},
			{name: "subtype", kind: "application/grpc+proto", body: framed(0, body), kept: 3},
			{name: "parameter", kind: "application/grpc;charset=utf-8", body: framed(0, body), kept: 3},
			{name: "gzip", header: gzip, body: framed(1, gz(t, body)), kept: 3},
			{name: "zstd", header: zstd, body: framed(1, zst(t, body)), kept: 3},
			{name: "not compressed, although it could be", header: gzip, body: framed(0, body), kept: 3},
			{name: "identity", header: with("grpc-encoding", "identity"), body: framed(0, body), kept: 3},
			{name: "empty", body: framed(0, nil)},
			{name: "large", body: framed(0, protobufOf(t, 10_000)), kept: 10_000},
			{name: "exactly the limit", body: framed(0, padded(t, 8<<20)), kept: 1},
			{name: "tenant is checked and ignored", header: with("x-scope-orgid", "a-team"), body: framed(0, body), kept: 3},
			{name: "deadline", header: with("grpc-timeout", "10S"), body: framed(0, body), kept: 3},
			{name: "some spans are invalid", body: framed(0, append(spanWith(goodSpan), body...)), kept: 3, rejected: 1, says: "trace_id"},
		},
		"method": {
			{name: "metrics", path: service + "metrics.v1.MetricsService/Export", body: framed(0, nil), want: 12, counted: 404, says: "takes traces alone; send metrics elsewhere"},
			{name: "logs", path: service + "logs.v1.LogsService/Export", body: framed(0, nil), want: 12, counted: 404, says: "send logs elsewhere"},
			{name: "profiles", path: service + "profiles.v1development.ProfilesService/Export", want: 12, counted: 404, says: "profiles"},
			{name: "reflection", path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", want: 12, counted: 404, says: "TraceService/Export"},
			{name: "jaeger", path: "/jaeger.api_v2.CollectorService/PostSpans", body: framed(0, nil), want: 12, counted: 404},
			{name: "http path", path: "/v1/traces", body: framed(0, body), want: 12, counted: 404},
			{name: "gRPC on the port of HTTP", onHTTP: true, body: framed(0, body), want: 12, counted: 421, says: "send OTLP/gRPC to port " + portOf(r.grpcListener)},
		},
		"message": {
			{name: "json", kind: "application/grpc+json", body: framed(0, []byte("{}")), want: 3, counted: 415, says: "protobuf"},
			{name: "snappy", header: with("grpc-encoding", "snappy"), body: framed(1, body), want: 12, counted: 415, says: "gzip, zstd"},
			{name: "no message", want: 3, counted: 400, says: "ends before"},
			{name: "part of a prefix", body: []byte{0, 0, 0}, want: 3, counted: 400, says: "ends before"},
			{name: "part of a message", body: framed(0, body)[:100], want: 3, counted: 400, says: "ends before"},
			{name: "no prefix", body: body, want: 3, counted: 400, says: "prefix"},
			{name: "two messages", body: append(framed(0, body), framed(0, body)...), want: 3, counted: 400, says: "follows"},
			{name: "compressed by nothing", body: framed(1, body), want: 3, counted: 400, says: "grpc-encoding"},
			{name: "not gzip", header: gzip, body: framed(1, body), want: 3, counted: 400, says: "gzip"},
			{name: "not zstd", header: zstd, body: framed(1, body), want: 3, counted: 400, says: "zstd"},
			{name: "not protobuf", body: framed(0, body[1:]), want: 3, counted: 400},
			{name: "too deep", body: framed(0, withAttribute(nestedValue(50))), want: 3, counted: 400},
			{name: "claims 4 GiB", body: []byte{0, 0xff, 0xff, 0xff, 0xff}, want: 8, counted: 413, says: "larger than 8388608 bytes"},
			{name: "one byte beyond", body: framed(0, padded(t, 8<<20+1)), want: 8, counted: 413},
			{name: "gzip bomb", header: gzip, body: framed(1, gz(t, zeros)), want: 8, counted: 413},
			{name: "zstd bomb", header: zstd, body: framed(1, zst(t, zeros)), want: 8, counted: 413},
			{name: "zstd with a giant claim", header: zstd, body: framed(1, hugeClaim), want: 8, counted: 413},
			{name: "too many spans", body: framed(0, field(1, field(2, bytes.Repeat([]byte{0x12, 0x00}, 2_000_000)))), want: 8, counted: 413},
		},
		"tenant": {
			{name: "path", header: with("x-scope-orgid", "../other"), body: framed(0, body), want: 3, counted: 400},
		},
	}
	for group, calls := range groups {
		for _, c := range calls {
			t.Run(group+"/"+c.name, func(t *testing.T) { c.run(t, r) })
		}
	}
}

// padded is a request of one span and n bytes.
func padded(t testing.TB, n int) []byte {
	t.Helper()
	b := spanWith(goodTrace, goodSpan)
	for size := n - len(b) - 3; size > 0; size-- {
		if whole := append(bytes.Clone(b), field(1000, make([]byte, size))...); len(whole) == n {
			return whole
		}
	}
	t.Fatalf("no request has %d bytes", n)
	return nil
}

// What can work later is UNAVAILABLE, or RESOURCE_EXHAUSTED for a client over
// its quota, with the time after which to try again.
func TestCallsThatAreToComeAgain(t *testing.T) {
	body := framed(0, protobufOf(t, 3))
	t.Run("sink", func(t *testing.T) {
		for _, tt := range []struct {
			err  error
			want call
		}{
			{&UnavailableError{RetryAfter: 2500 * time.Millisecond, Err: errors.New("secret host is down")}, call{want: 14, counted: 503, says: "cannot be kept now", retry: 2500 * time.Millisecond}},
			{errors.New("x"), call{want: 14, counted: 503, retry: time.Second}},
			{&RejectedError{Spans: 2, Reason: "too old"}, call{kept: 1, rejected: 2, says: "too old"}},
		} {
			r := startWith(t, Config{}, &everyNth{n: 1}, &memorySink{fail: func(context.Context, Batch) error { return tt.err }})
			tt.want.body = body
			tt.want.run(t, r)
		}
	})
	t.Run("sink that is not ready", func(t *testing.T) {
		r := startWith(t, Config{}, &everyNth{n: 1}, &memorySink{unready: &UnavailableError{RetryAfter: 5 * time.Second, Err: errors.New("full")}})
		call{body: body, want: 14, counted: 503, retry: 5 * time.Second}.run(t, r)
	})
	t.Run("quota", func(t *testing.T) {
		r := start(t, Config{ClientRequestsPerSecond: 0.001, clientBurst: 1})
		call{body: body, kept: 3}.run(t, r)
		resp, err := r.h2.Do(call{body: body}.request(t, r))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		code, message, _, retry := decodeCall(t, resp, nil)
		if code != 8 || retry < 900*time.Second || retry > 1000*time.Second {
			t.Errorf("status %d %q, RetryInfo %v", code, message, retry)
		}
	})
	t.Run("draining", func(t *testing.T) {
		r := start(t, Config{})
		r.Drain()
		call{body: body, want: 14, counted: 503, says: "shutting down", retry: time.Second}.run(t, r)
	})
	t.Run("panic", func(t *testing.T) {
		r := startWith(t, Config{}, &everyNth{n: 1}, &memorySink{fail: func(context.Context, Batch) error { panic("sink fell over") }})
		call{body: body, want: 14, counted: 503, retry: time.Second}.run(t, r)
	})
	t.Run("budget", func(t *testing.T) {
		g := newGate()
		r := startWith(t, Config{MaxBodyBytes: 1 << 20, InflightBytes: 6 << 20, inflightWait: time.Millisecond}, &everyNth{n: 1}, &memorySink{fail: g.keep})
		large := append(spanWith(goodTrace, goodSpan), field(1000, make([]byte, 1<<20*3/4))...)
		var held []<-chan int
		for range 5 {
			held = append(held, r.post(t, large))
			<-g.entered
		}
		resp, err := r.h2.Do(call{body: framed(0, large)}.request(t, r))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if code, message, _, retry := decodeCall(t, resp, nil); code != 14 || retry != time.Second || !strings.Contains(message, "in flight") {
			t.Errorf("status %d %q, RetryInfo %v", code, message, retry)
		}
		close(g.open)
		for _, code := range held {
			<-code
		}
	})
}

func TestCallsNeedTheirToken(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	writeFile(t, tokens, []byte("first\nsecond\n"))
	r := start(t, Config{Auth: Auth{BearerTokenFile: tokens}, Tenants: []string{"a"}})
	body := framed(0, protobufOf(t, 1))
	with := func(token, tenant string) map[string]string {
		return map[string]string{"authorization": token, "x-scope-orgid": tenant}
	}
	for _, c := range []call{
		{name: "good", header: with("Bearer second", "a"), body: body, kept: 1},
		{name: "unknown token", header: with("Bearer third", "a"), body: body, want: 16, counted: 401, says: "token"},
		{name: "no token", header: with("", "a"), body: body, want: 16, counted: 401},
		{name: "unknown tenant", header: with("Bearer first", "b"), body: body, want: 7, counted: 403, says: "X-Scope-OrgID"},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, r) })
	}
}

// Whoever comes to the wrong port is told the right one.
func TestWrongPort(t *testing.T) {
	r := start(t, Config{})
	for name, x := range map[string]struct {
		client *http.Client
		url    string
		kind   string
		want   int
		says   string
	}{
		"OTLP/HTTP on the port of gRPC":             {r.client, r.grpc, protobufType, 421, "send OTLP/HTTP to port " + portOf(r.listener)},
		"OTLP/HTTP in JSON":                         {r.client, r.grpc, jsonType, 421, "send OTLP/HTTP to port " + portOf(r.listener)},
		"OTLP/HTTP over HTTP/2 on the port of gRPC": {r.h2, r.grpc, protobufType, 421, "send OTLP/HTTP to port " + portOf(r.listener)},
		"OTLP/HTTP over HTTP/2":                     {r.h2, r.url, protobufType, 505, "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := x.client.Post(x.url+"/v1/traces", x.kind, bytes.NewReader(protobufOf(t, 1)))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			message, _ := decodeAnswer(t, resp, body, false)
			if resp.StatusCode != x.want || !strings.Contains(message, x.says) {
				t.Errorf("answered %d %q, want %d and %q", resp.StatusCode, message, x.want, x.says)
			}
		})
	}
}

// The preface of HTTP/2 without its end is a request that must not be followed by another.
func TestBrokenPreface(t *testing.T) {
	r := start(t, Config{})
	c := dial(t, r)
	send(t, c, "PRI * HTTP/2.0\r\nHost: x\r\n\r\nPOST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "")
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(answer, []byte("HTTP/1.1 ")); n != 1 || !bytes.HasPrefix(answer, []byte("HTTP/1.1 505 ")) {
		t.Errorf("answered %q", answer)
	}
}

func TestGRPCPortIsTaken(t *testing.T) {
	first := start(t, Config{})
	second, err := New(usual(Config{Listen: "127.0.0.1:0", GRPCListen: first.GRPCAddr().String()}), &everyNth{n: 1}, &memorySink{}, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.ListenGRPC(); err == nil || !strings.Contains(err.Error(), first.GRPCAddr().String()) {
		t.Errorf("got %v", err)
	}
	if second.GRPCAddr() != nil {
		t.Error("it has an address all the same")
	}
}

func TestGRPCOverTLS(t *testing.T) {
	ca, files := newAuthority(t), tlsFiles(t)
	ca.issue(t, files)
	r := start(t, Config{TLS: files})
	r.grpc = strings.Replace(r.grpc, "http:", "https:", 1)
	r.url = strings.Replace(r.url, "http:", "https:", 1)
	r.h2.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: ca.pool()}
	body := framed(0, protobufOf(t, 2))
	call{body: body, kept: 2}.run(t, r)
	call{body: body, onHTTP: true, want: 12, counted: 421, says: "send OTLP/gRPC to port"}.run(t, r)

	t.Run("plain text is told what the port speaks", func(t *testing.T) {
		c, err := net.Dial("tcp", r.GRPCAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		send(t, c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "")
		answer, _ := io.ReadAll(c)
		if !bytes.HasPrefix(answer, []byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00")) || !bytes.HasSuffix(answer, []byte("This port speaks TLS.")) {
			t.Errorf("answered %q", answer)
		}
		if goaway := answer[9:]; int(goaway[2]) != len(goaway)-9 || goaway[3] != 7 {
			t.Errorf("no whole GOAWAY: %q", goaway)
		}
	})
}
