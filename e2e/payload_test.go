package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"appliance/e2e/internal/harness"
)

const mebi = 1 << 20

// bodyLimit is receiver.max_body_bytes by default.
const bodyLimit = 16 * mebi

var (
	asProtobuf = http.Header{"Content-Type": {harness.Protobuf}}
	asJSON     = http.Header{"Content-Type": {"application/json"}}
	asGzip     = with(asProtobuf, "Content-Encoding", "gzip")
	asZstd     = with(asProtobuf, "Content-Encoding", "zstd")
)

func with(h http.Header, key, value string) http.Header {
	h = h.Clone()
	h.Set(key, value)
	return h
}

func of(b []byte) func() io.Reader {
	return func() io.Reader { return bytes.NewReader(b) }
}

// chunked hides the length, so that an HTTP client has to send chunks.
func chunked(b []byte) func() io.Reader {
	return func() io.Reader { return onlyReader{bytes.NewReader(b)} }
}

type onlyReader struct{ io.Reader }

func zeros(n int64) io.Reader { return onlyReader{io.LimitReader(zeroReader{}, n)} }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func gzipped(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.Copy(z, r)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(t *testing.T, r io.Reader, o ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, o...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(z, r)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// embed appends a field that is a message.
func embed(dst []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), message)
}

// requestOf is a request with spans that are given as their bytes.
func requestOf(spans ...[]byte) []byte {
	var scope []byte
	for _, s := range spans {
		scope = embed(scope, 2, s)
	}
	return embed(nil, 1, embed(nil, 2, scope))
}

// spanOf is a span of nothing but ids and a name.
func spanOf(traceID, spanID []byte, name string) []byte {
	return embed(embed(embed(nil, 1, traceID), 2, spanID), 5, []byte(name))
}

// deepValue is an AnyValue with a string in depth arrays, each in the other.
func deepValue(depth int) []byte {
	// AnyValue.string_value
	value := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "x")
	// Prepending would copy everything each time, so the headers are written
	// backwards into the end of one buffer.
	buf := make([]byte, depth*16+len(value))
	at := len(buf) - len(value)
	copy(buf[at:], value)
	prepend := func(field protowire.Number) {
		header := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(len(buf)-at))
		at -= len(header)
		copy(buf[at:], header)
	}
	for range depth {
		prepend(1) // ArrayValue.values
		prepend(5) // AnyValue.array_value
	}
	return buf[at:]
}

// deepProtobuf is a request with a span attribute of that depth.
func deepProtobuf(depth int) []byte {
	attribute := embed(nil, 2, deepValue(depth)) // KeyValue.value
	return requestOf(embed(spanOf(id16, id8, "deep"), 9, attribute))
}

// deepJSON is a JSON request with a span attribute of that depth.
func deepJSON(depth int) []byte {
	value := strings.Repeat(`{"arrayValue":{"values":[`, depth) + `{"stringValue":"x"}` + strings.Repeat(`]}}`, depth)
	return []byte(jsonRequest(`"attributes":[{"key":"k","value":` + value + `}]`))
}

// emptySpans is a request whose spans have nothing in them, two bytes each.
func emptySpans(n int) []byte {
	return embed(nil, 1, embed(nil, 2, bytes.Repeat([]byte{0x12, 0x00}, n)))
}

// emptyAttributes is a request with one span whose attributes have nothing in them.
func emptyAttributes(n int) []byte {
	return requestOf(append(spanOf(id16, id8, "wide"), bytes.Repeat([]byte{0x4a, 0x00}, n)...))
}

// jsonRequest is a JSON request with one span that has, besides a name and
// valid ids, the members given.
func jsonRequest(members string) string {
	return jsonSpan(`"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"`, members)
}

func jsonSpan(ids, members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"resourceSpans":[{"scopeSpans":[{"spans":[{` + ids + `,"name":"json"` + members + `}]}]}]}`
}

var (
	id16 = []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	id8  = []byte{1, 2, 3, 4, 5, 6, 7, 8}
)
