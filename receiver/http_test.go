package receiver

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// exchange is one request and what must come back.
type exchange struct {
	name     string
	method   string // POST
	path     string // /v1/traces
	header   map[string]string
	noType   bool // else Content-Type is protobuf
	body     []byte
	want     int    // status
	says     string // in the message
	rejected int
	kept     int // spans that reach the sink
	check    func(*testing.T, *http.Response)
}

func (x exchange) run(t *testing.T, r *running) {
	t.Helper()
	before := r.Stats()
	method, path := x.method, x.path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/v1/traces"
	}
	req, err := http.NewRequest(method, r.url, bytes.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = "//" + r.addr + path // as it stands, without cleaning
	if !x.noType {
		req.Header.Set("Content-Type", protobufType)
	}
	for k, v := range x.header {
		for _, one := range strings.Split(v, "\n") {
			req.Header.Add(k, one)
		}
	}
	if len(req.Header["Content-Type"]) > 1 {
		req.Header["Content-Type"] = req.Header["Content-Type"][1:]
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != x.want {
		t.Fatalf("status %d, want %d: %q", resp.StatusCode, x.want, body)
	}
	message, rejected := decodeAnswer(t, resp, body, method == http.MethodHead)
	if wantType := req.Header.Get("Content-Type"); strings.HasPrefix(wantType, protobufType) != (resp.Header.Get("Content-Type") == protobufType) {
		t.Errorf("answered in %q to a request in %q", resp.Header.Get("Content-Type"), wantType)
	}
	if !strings.Contains(message, x.says) {
		t.Errorf("message %q, want %q in it", message, x.says)
	}
	if rejected != x.rejected {
		t.Errorf("rejected %d spans, want %d", rejected, x.rejected)
	}
	if x.check != nil {
		x.check(t, resp)
	}
	after := r.Stats()
	if n := after.Kept - before.Kept; int(n) != x.kept {
		t.Errorf("kept %d spans, want %d", n, x.kept)
	}
	if n := after.Rejected() - before.Rejected(); int(n) != x.rejected {
		t.Errorf("counted %d rejected spans, want %d", n, x.rejected)
	}
	if x.want != http.StatusOK && after.Received != before.Received {
		t.Errorf("counted spans of a refused request as received")
	}
	if n := after.Requests[x.want] - before.Requests[x.want]; n != 1 {
		t.Errorf("counted %d requests with status %d", n, x.want)
	}
}

// decodeAnswer reads a google.rpc.Status or an ExportTraceServiceResponse.
func decodeAnswer(t *testing.T, resp *http.Response, body []byte, head bool) (message string, rejected int) {
	t.Helper()
	isJSON := resp.Header.Get("Content-Type") == jsonType
	if resp.StatusCode != http.StatusOK {
		if head {
			return "", 0
		}
		var st struct {
			Code    int32
			Message string
		}
		if isJSON {
			if err := json.Unmarshal(body, &st); err != nil {
				t.Fatalf("error body %q: %v", body, err)
			}
		} else {
			var pb status.Status
			if err := proto.Unmarshal(body, &pb); err != nil {
				t.Fatalf("error body %q: %v", body, err)
			}
			st.Code, st.Message = pb.Code, pb.Message
		}
		if st.Code == 0 || st.Message == "" {
			t.Errorf("status without code or message: %q", body)
		}
		return st.Message, 0
	}
	answer := ptraceotlp.NewExportResponse()
	unmarshal := answer.UnmarshalProto
	if isJSON {
		unmarshal = answer.UnmarshalJSON
	}
	if err := unmarshal(body); err != nil {
		t.Fatalf("answer %q: %v", body, err)
	}
	return answer.PartialSuccess().ErrorMessage(), int(answer.PartialSuccess().RejectedSpans())
}

func hasHeader(name, value string) func(*testing.T, *http.Response) {
	return func(t *testing.T, resp *http.Response) {
		t.Helper()
		if got := resp.Header.Get(name); got != value {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
}

func gz(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func zst(t testing.TB, p []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(p, nil)
}

// zstdStream compresses without telling the size in the frame header.
func zstdStream(t testing.TB, p []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for len(p) > 0 {
		n := min(len(p), 64<<10)
		if _, err := w.Write(p[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		p = p[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func withLast(b []byte, change func([]byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	return b
}

// field is a length-delimited protobuf field.
func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// spanWith wraps the fields of one span into a request.
func spanWith(fields ...[]byte) []byte {
	return field(1, field(2, field(2, bytes.Join(fields, nil))))
}

var (
	goodTrace = field(1, []byte("0123456789abcdef"))
	goodSpan  = field(2, []byte("01234567"))
)

// nestedValue is an AnyValue with depth arrays in one another.
func nestedValue(depth int) []byte {
	var backwards []byte // building from the inside out, this keeps it linear
	for range 2 * depth {
		number := protowire.Number(5) // AnyValue.array_value
		if len(backwards) == 0 || backwards[len(backwards)-1] == 5<<3|2 {
			number = 1 // ArrayValue.values
		}
		head := protowire.AppendVarint([]byte{byte(number<<3 | 2)}, uint64(len(backwards)))
		slices.Reverse(head)
		backwards = append(backwards, head...)
	}
	slices.Reverse(backwards)
	return backwards
}

func withAttribute(value []byte) []byte {
	return spanWith(goodTrace, goodSpan, field(9, append(field(1, []byte("k")), field(2, value)...)))
}

const (
	jsonHead = `{"resourceSpans":[{"scopeSpans":[{"spans":[{`
	jsonTail = `}]}]}]}`
	jsonIDs  = `"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"`
)

func jsonSpan(fields string) []byte { return []byte(jsonHead + fields + jsonTail) }

func TestExchanges(t *testing.T) {
	r := start(t, Config{})
	body, text := protobufOf(t, 3), jsonOf(t, 3)
	zipped, zstandard := gz(t, body), zst(t, body)
	asJSON := map[string]string{"Content-Type": jsonType}
	encoded := func(e string) map[string]string { return map[string]string{"Content-Encoding": e} }
	gzipped := encoded("gzip")

	groups := map[string][]exchange{
		"taken": {
			{name: "protobuf", body: body, want: 200, kept: 3},
			{name: "root path", path: "/", body: body, want: 200, kept: 3},
			{name: "query", path: "/v1/traces?x=1", body: body, want: 200, kept: 3},
			{name: "json", header: asJSON, body: text, want: 200, kept: 3},
			{name: "gzip", header: gzipped, body: zipped, want: 200, kept: 3},
			{name: "gzip in capitals", header: encoded("GZIP"), body: zipped, want: 200, kept: 3},
			{name: "gzip of several members", header: gzipped, body: gz(t, body[:7], body[7:90], nil, body[90:]), want: 200, kept: 3},
			{name: "gzip of json", header: map[string]string{"Content-Type": jsonType, "Content-Encoding": "gzip"}, body: gz(t, text), want: 200, kept: 3},
			{name: "zstd", header: encoded("zstd"), body: zstandard, want: 200, kept: 3},
			{name: "zstd stream", header: encoded("zstd"), body: zstdStream(t, protobufOf(t, 3000)), want: 200, kept: 3000},
			{name: "identity", header: encoded("identity"), body: body, want: 200, kept: 3},
			{name: "charset", header: map[string]string{"Content-Type": "application/json; charset=utf-8"}, body: text, want: 200, kept: 3},
			{name: "type in capitals", header: map[string]string{"Content-Type": "Application/JSON"}, body: text, want: 200, kept: 3},
			{name: "broken parameter", header: map[string]string{"Content-Type": "application/json; charset"}, body: text, want: 200, kept: 3},
			{name: "empty protobuf", want: 200},
			{name: "empty json", header: asJSON, body: []byte("{}"), want: 200},
			{name: "tenant is checked and ignored", header: map[string]string{"X-Scope-OrgID": "a-team"}, body: body, want: 200, kept: 3},
		},
		"method": {
			{name: "get", method: "GET", want: 405, check: hasHeader("Allow", "POST")},
			{name: "head", method: "HEAD", want: 405, check: hasHeader("Allow", "POST")},
			{name: "put", method: "PUT", body: body, want: 405, check: hasHeader("Allow", "POST")},
			{name: "options", method: "OPTIONS", want: 405, check: hasHeader("Allow", "POST")},
			{name: "delete on root", method: "DELETE", path: "/", want: 405, check: hasHeader("Allow", "POST")},
			{name: "unheard of", method: "SPAN", want: 405, check: hasHeader("Allow", "POST")},
		},
		"path": {
			{name: "metrics", path: "/v1/metrics", body: body, want: 404, says: "takes traces alone; send metrics elsewhere; traces are taken at /v1/traces"},
			{name: "logs", path: "/v1/logs", header: asJSON, body: text, want: 404, says: "send logs elsewhere"},
			{name: "profiles", path: "/v1development/profiles", body: body, want: 404, says: "send profiles elsewhere"},
			{name: "zipkin", path: "/api/v2/spans", header: asJSON, body: []byte("[]"), want: 404, says: "Zipkin's format is not taken here; send OTLP"},
			{name: "older zipkin", path: "/api/v1/spans", noType: true, want: 404, says: "receiver zipkin"},
			{name: "jaeger", path: "/api/traces", noType: true, header: map[string]string{"Content-Type": "application/x-thrift"}, want: 404, says: "Jaeger's format is not taken here; send OTLP"},
			{name: "grpc over HTTP/1.1", path: grpcExport, body: body, want: 404, says: "OTLP/gRPC over HTTP/1.1"},
			{name: "path twice", path: "/v1/traces/v1/traces", body: body, want: 404, says: "OTEL_EXPORTER_OTLP_ENDPOINT"},
			{name: "no path of anybody's", path: "/favicon.ico", method: "GET", want: 404, says: "traces are taken at /v1/traces"},
			{name: "trailing slash", path: "/v1/traces/", body: body, want: 404},
			{name: "double slash", path: "//v1/traces", body: body, want: 404},
			{name: "dots", path: "/v1/../v1/traces", body: body, want: 404},
			{name: "escaped", path: "/v1%2Ftraces", body: body, want: 404},
			{name: "escaped letter", path: "/v1/trace%73", body: body, want: 404},
			{name: "get elsewhere", method: "GET", path: "/ready", want: 404},
		},
		"type": {
			{name: "missing", noType: true, body: body, want: 415},
			{name: "text", noType: true, header: map[string]string{"Content-Type": "text/plain"}, body: text, want: 415},
			{name: "grpc", noType: true, header: map[string]string{"Content-Type": "application/grpc"}, body: body, want: 415},
			{name: "no type at all", noType: true, header: map[string]string{"Content-Type": ";;"}, body: text, want: 415},
			{name: "snappy", header: encoded("snappy"), body: body, want: 415, check: hasHeader("Accept-Encoding", "gzip, zstd")},
			{name: "deflate", header: encoded("deflate"), body: body, want: 415},
			{name: "stacked in one header", header: encoded("gzip, gzip"), body: gz(t, zipped), want: 415},
			{name: "stacked in two headers", header: encoded("gzip\nzstd"), body: gz(t, zipped), want: 415},
			{name: "json labelled protobuf", body: text, want: 400},
			{name: "empty json labelled protobuf", body: []byte("{}"), want: 400},
			{name: "protobuf labelled json", header: asJSON, body: body, want: 400},
		},
		"compression": {
			{name: "not gzip", header: gzipped, body: body, want: 400, says: "gzip"},
			{name: "empty gzip", header: gzipped, want: 400},
			{name: "gzip without its end", header: gzipped, body: zipped[:len(zipped)-4], want: 400},
			{name: "gzip cut in the middle", header: gzipped, body: zipped[:len(zipped)/2], want: 400},
			{name: "gzip header only", header: gzipped, body: zipped[:10], want: 400},
			{name: "gzip with bad crc", header: gzipped, body: withLast(zipped, func(b []byte) { b[len(b)-8] ^= 1 }), want: 400, says: "checksum"},
			{name: "gzip with bad size", header: gzipped, body: withLast(zipped, func(b []byte) { b[len(b)-1] ^= 1 }), want: 400},
			{name: "gzip with trailing junk", header: gzipped, body: append(bytes.Clone(zipped), "junk"...), want: 400},
			{name: "gzip with trailing zeros", header: gzipped, body: append(bytes.Clone(zipped), make([]byte, 512)...), want: 400},
			{name: "gzip labelled zstd", header: encoded("zstd"), body: zipped, want: 400},
			{name: "zstd labelled gzip", header: gzipped, body: zstandard, want: 400},
			{name: "empty zstd", header: encoded("zstd"), want: 400},
			{name: "zstd cut", header: encoded("zstd"), body: zstandard[:len(zstandard)-5], want: 400},
			{name: "zstd with trailing junk", header: encoded("zstd"), body: append(bytes.Clone(zstandard), "ju"...), want: 400},
			{name: "zstd with bad checksum", header: encoded("zstd"), body: withLast(zstandard, func(b []byte) { b[len(b)-1] ^= 1 }), want: 400},
		},
		"protobuf": {
			{name: "truncated", body: body[:len(body)-3], want: 400, says: "byte"},
			{name: "length 2^63", body: []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, want: 400},
			{name: "varint of 11 bytes", body: append([]byte{0x08}, append(bytes.Repeat([]byte{0xff}, 10), 1)...), want: 400},
			{name: "field 0", body: []byte{0x02, 0x00}, want: 400},
			{name: "stray end of a group", body: []byte{0x0c}, want: 400},
			{name: "wrong wire type", body: []byte{0x08, 0x01}, want: 400},
			{name: "value nested 49 deep", body: withAttribute(nestedValue(49)), want: 200, kept: 1},
			{name: "value nested 50 deep", body: withAttribute(nestedValue(50)), want: 400, says: "more than 100 messages nested in an attribute"},
			{name: "value nested 100,000 deep", body: withAttribute(nestedValue(100_000)), want: 400},
			{name: "unknown groups nested deep", body: bytes.Repeat([]byte{0x7b}, 1_000_000), want: 400},
			{name: "millions of empty spans", body: field(1, field(2, bytes.Repeat([]byte{0x12, 0x00}, 2_000_000))), want: 413},
			{name: "ten million empty spans", header: gzipped, body: gz(t, field(1, field(2, bytes.Repeat([]byte{0x12, 0x00}, 10_000_000)))), want: 413},
			{name: "millions of empty attributes", body: spanWith(goodTrace, goodSpan, bytes.Repeat([]byte{0x4a, 0x00}, 5_000_000)), want: 413},
		},
		"one span of several": {
			{name: "short trace id", body: append(spanWith(field(1, []byte("short")), goodSpan), body...), want: 200, rejected: 1, kept: 3, says: "trace_id"},
			{name: "no trace id", body: append(spanWith(goodSpan), body...), want: 200, rejected: 1, kept: 3},
			{name: "zero trace id", body: append(spanWith(field(1, make([]byte, 16)), goodSpan), body...), want: 200, rejected: 1, kept: 3},
			{name: "long span id", body: append(spanWith(goodTrace, field(2, []byte("0123456789"))), body...), want: 200, rejected: 1, kept: 3, says: "span_id"},
			{name: "zero span id", body: append(spanWith(goodTrace, field(2, make([]byte, 8))), body...), want: 200, rejected: 1, kept: 3},
			{name: "invalid UTF-8", body: append(spanWith(goodTrace, goodSpan, field(5, []byte("GET \xff"))), body...), want: 200, rejected: 1, kept: 3, says: "UTF-8"},
			{name: "nothing else", body: spanWith(goodSpan), want: 200, rejected: 1},
			{name: "json", header: asJSON, body: jsonSpan(`"traceId":"5b8e","spanId":"eee19b7ec3c1b174"},{` + jsonIDs), want: 200, rejected: 1, kept: 1, says: "trace_id"},
		},
		"json": {
			{name: "ids", header: asJSON, body: jsonSpan(jsonIDs), want: 200, kept: 1},
			{name: "ids in base64", header: asJSON, body: jsonSpan(`"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ="`), want: 400},
			{name: "bad hex", header: asJSON, body: jsonSpan(`"traceId":"5b8efff798038103d269b633813fc60g","spanId":"eee19b7ec3c1b174"`), want: 400},
			{name: "name of an enum", header: asJSON, body: jsonSpan(jsonIDs + `,"kind":"SPAN_KIND_SERVER"`), want: 400},
			{name: "NaN", header: asJSON, body: jsonSpan(jsonIDs + `,"kind":NaN`), want: 400},
			{name: "byte order mark", header: asJSON, body: append([]byte("\xef\xbb\xbf"), text...), want: 400},
			{name: "UTF-16", header: asJSON, body: []byte("{\x00}\x00"), want: 400},
			{name: "trailing data", header: asJSON, body: append(bytes.Clone(text), "{}"...), want: 400},
			{name: "nothing", header: asJSON, want: 400},
			{name: "cut", header: asJSON, body: text[:len(text)/2], want: 400},
			{name: "array", header: asJSON, body: []byte("[]"), want: 400},
			{name: "int64 as string", header: asJSON, body: jsonSpan(jsonIDs + `,"startTimeUnixNano":"1700000000000000000"`), want: 200, kept: 1},
			{name: "int64 as number", header: asJSON, body: jsonSpan(jsonIDs + `,"startTimeUnixNano":1700000000000000000`), want: 200, kept: 1},
			{name: "unknown keys", header: asJSON, body: jsonSpan(jsonIDs + `,"nobody":{"knows":[1,null,"x"]}`), want: 200, kept: 1},
			{name: "snake_case keys", header: asJSON, body: []byte(`{"resource_spans":[{"scope_spans":[]}]}`), want: 400, says: "resource_spans, which is resourceSpans in OTLP's JSON"},
			{name: "snake_case below", header: asJSON, body: []byte(`{"resourceSpans":[{"scope_spans":[]}]}`), want: 400, says: "scope_spans, which is scopeSpans"},
			{name: "before OTLP 0.15", header: asJSON, body: []byte(`{"resourceSpans":[{"instrumentationLibrarySpans":[]}]}`), want: 400, says: "scopeSpans since OTLP 0.15"},
			{name: "what a Tempo answers", header: asJSON, body: []byte(`{"batches":[]}`), want: 400, says: "Tempo's"},
			{name: "metrics", header: asJSON, body: []byte(`{"resourceMetrics":[]}`), want: 400, says: "a request with traces"},
			{name: "deep value", header: asJSON, body: jsonSpan(jsonIDs + `,"attributes":[{"key":"k","value":` + strings.Repeat(`{"arrayValue":{"values":[`, 101) + strings.Repeat(`]}}`, 101) + `}]`), want: 400},
			{name: "deep unknown value", header: asJSON, body: jsonSpan(jsonIDs + `,"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), want: 400},
			{name: "millions of empty spans", header: asJSON, body: jsonSpan(strings.Repeat(`},{`, 2_000_000)), want: 413},
		},
		"odd but fine": {
			{name: "absurd times", body: spanWith(goodTrace, goodSpan,
				protowire.AppendFixed64(protowire.AppendTag(nil, 7, protowire.Fixed64Type), math.MaxUint64),
				protowire.AppendFixed64(protowire.AppendTag(nil, 8, protowire.Fixed64Type), 1)), want: 200, kept: 1},
			{name: "unknown fields", body: spanWith(goodTrace, goodSpan, field(1000, []byte("future"))), want: 200, kept: 1},
			{name: "many services", header: gzipped, body: gz(t, manyServices(100_000)), want: 200, kept: 100_000},
		},
		"tenant": {
			{name: "parent", header: map[string]string{"X-Scope-OrgID": ".."}, body: body, want: 400},
			{name: "path", header: map[string]string{"X-Scope-OrgID": "../other"}, body: body, want: 400},
			{name: "backslash", header: map[string]string{"X-Scope-OrgID": `a\b`}, body: body, want: 400},
			{name: "long", header: map[string]string{"X-Scope-OrgID": strings.Repeat("a", 151)}, body: body, want: 400},
			{name: "twice", header: map[string]string{"X-Scope-OrgID": "a\nb"}, body: body, want: 400},
		},
	}
	for group, exchanges := range groups {
		for _, x := range exchanges {
			t.Run(group+"/"+x.name, func(t *testing.T) { x.run(t, r) })
		}
	}
}

// manyServices has a span for each of n services.
func manyServices(n int) []byte {
	var b []byte
	for i := range n {
		name := field(2, field(1, fmt.Appendf(nil, "service-%d", i)))
		resource := field(1, field(1, append(field(1, []byte("service.name")), name...)))
		b = append(b, field(1, append(resource, field(2, field(2, append(bytes.Clone(goodTrace), goodSpan...)))...))...)
	}
	return b
}
