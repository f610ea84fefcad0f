package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"appliance/e2e/internal/harness"
)

// goodSpan makes spans that differ in nothing but their ids. No two have the
// same, since the backend counts by ids.
func goodSpan() []byte { return spanOf(randomBytes(16), randomBytes(8), "good") }

func goodRequest() []byte { return requestOf(goodSpan(), goodSpan()) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never returns an error
	return b
}

func mediaExchanges(t *testing.T) []exchange {
	zip := func() []byte { return gzipped(t, bytes.NewReader(goodRequest())) }
	zipped := zip()
	badSum := bytes.Clone(zipped)
	badSum[len(badSum)-6] ^= 0xff // in the CRC, which is followed by four bytes of length
	two := gzipped(t, bytes.NewReader(requestOf(goodSpan())))
	return []exchange{
		{name: "protobuf", header: asProtobuf, body: of(goodRequest()), status: 200, kept: 2},
		{name: "protobuf in chunks", header: asProtobuf, body: chunked(goodRequest()), status: 200, kept: 2},
		{name: "content type with a parameter", header: http.Header{"Content-Type": {harness.Protobuf + "; charset=utf-8"}}, body: of(goodRequest()), status: 200, kept: 2},
		{name: "empty protobuf", header: asProtobuf, body: of(nil), status: 200},
		{name: "empty json", header: asJSON, body: of([]byte("{}")), status: 200},
		{name: "json with a charset", header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body: of([]byte("{}")), status: 200},
		{name: "gzip", header: asGzip, body: of(zip()), status: 200, kept: 2},
		{name: "gzip of several members", header: asGzip, body: of(append(zip(), two...)), status: 200, kept: 3},
		{name: "zstd", header: asZstd, body: of(zstandard(t, bytes.NewReader(goodRequest()))), status: 200, kept: 2},
		{name: "identity", header: with(asProtobuf, "Content-Encoding", "identity"), body: of(goodRequest()), status: 200, kept: 2},

		{name: "no content type", header: http.Header{}, body: of(goodRequest()), status: 415},
		{name: "unknown content type", header: http.Header{"Content-Type": {"text/plain"}}, body: of(goodRequest()), status: 415},
		{name: "json labelled protobuf", header: asProtobuf, body: of([]byte(`{"resourceSpans":[]}`)), status: 400},
		{name: "protobuf labelled json", header: asJSON, body: of(goodRequest()), status: 400},
		{name: "snappy", header: with(asProtobuf, "Content-Encoding", "snappy"), body: of(goodRequest()), status: 415},
		{name: "stacked encodings", header: with(asProtobuf, "Content-Encoding", "gzip, gzip"), body: of(zipped), status: 415},
		{name: "not gzip", header: asGzip, body: of(goodRequest()), status: 400},
		{name: "truncated gzip", header: asGzip, body: of(zipped[:len(zipped)-9]), status: 400},
		{name: "gzip with a wrong sum", header: asGzip, body: of(badSum), status: 400},
		{name: "gzip with junk after it", header: asGzip, body: of(append(bytes.Clone(zipped), "junk"...)), status: 400},
		{name: "not zstd", header: asZstd, body: of(goodRequest()), status: 400},
		{name: "truncated zstd", header: asZstd, body: of(zstandard(t, bytes.NewReader(goodRequest()))[:40]), status: 400},
	}
}

func sizeExchanges(t *testing.T) []exchange {
	beyond := padded(bodyLimit + 1)
	half := gzipped(t, bytes.NewReader(padded(bodyLimit/2+1)))
	return []exchange{
		{name: "exactly the limit", header: asProtobuf, body: of(padded(bodyLimit)), status: 200, kept: 1},
		{name: "exactly the limit in chunks", header: asProtobuf, body: chunked(padded(bodyLimit)), status: 200, kept: 1},
		{name: "exactly the limit in gzip", header: asGzip, body: of(gzipped(t, bytes.NewReader(padded(bodyLimit)))), status: 200, kept: 1},
		{name: "one byte beyond", header: asProtobuf, body: of(beyond), status: 413},
		{name: "one byte beyond in chunks", header: asProtobuf, body: chunked(beyond), status: 413},
		{name: "one byte beyond in gzip", header: asGzip, body: of(gzipped(t, bytes.NewReader(beyond))), status: 413},
		{name: "one byte beyond in zstd", header: asZstd, body: of(zstandard(t, bytes.NewReader(beyond))), status: 413},
		{name: "gzip bomb", header: asGzip, body: of(gzipped(t, zeros(100*mebi))), status: 413},
		{name: "zstd bomb", header: asZstd, body: of(zstandard(t, zeros(100*mebi))), status: 413},
		{name: "gzip members beyond the limit together", header: asGzip, body: of(bytes.Repeat(half, 2)), status: 413},
		{name: "giant zstd window", header: asZstd, body: of(zstandard(t, zeros(100*mebi), zstd.WithWindowSize(zstd.MaxWindowSize))), status: 413},
		{name: "7 million empty spans", header: asProtobuf, body: of(emptySpans(7_000_000)), status: 413},
		{name: "7 million empty attributes", header: asProtobuf, body: of(emptyAttributes(7_000_000)), status: 413},
	}
}

// padded is a request of exactly size bytes with one span, the rest an unknown field of it.
func padded(size int) []byte {
	build := func(padding int) []byte { return requestOf(embed(goodSpan(), 1000, make([]byte, padding))) }
	short := build(size - 100) // near enough for all lengths to take as many bytes as they will
	return build(size - 100 + size - len(short))
}

func protobufExchanges(t *testing.T) []exchange {
	good := goodRequest()
	among := func(bad []byte) func() []byte {
		return func() []byte { return requestOf(goodSpan(), bad, goodSpan()) }
	}
	var rows []exchange
	for name, body := range map[string][]byte{
		"truncated protobuf":     good[:len(good)-3],
		"length 2^63":            protowire.AppendVarint([]byte{0x0a}, 1<<63),
		"length beyond the end":  {0x0a, 0x7f, 0x00},
		"varint of 11 bytes":     append([]byte{0x08}, append(bytes.Repeat([]byte{0xff}, 10), 0x01)...),
		"field 0":                {0x02, 0x00},
		"stray end-group":        {0x0c},
		"wrong wire type":        {0x08, 0x01}, // resource_spans as a varint
		"value of depth 50":      deepProtobuf(50),
		"value of depth 100,000": deepProtobuf(100_000),
		// start-group of the unknown field 999
		"groups nested in the dark":  bytes.Repeat([]byte{0xbb, 0x3e}, 100_000),
		"start-group without an end": {0xbb, 0x3e},
	} {
		rows = append(rows, exchange{name: name, header: asProtobuf, body: of(body), status: 400})
	}
	for name, build := range map[string]func() []byte{
		"trace id of 15 bytes": among(spanOf(id16[:15], id8, "bad")),
		"no trace id":          among(spanOf(nil, id8, "bad")),
		"zero trace id":        among(spanOf(make([]byte, 16), id8, "bad")),
		"span id of 7 bytes":   among(spanOf(id16, id8[:7], "bad")),
		"zero span id":         among(spanOf(id16, make([]byte, 8), "bad")),
		"invalid UTF-8 name":   among(spanOf(id16, id8, "b\xffd")),
	} {
		rows = append(rows, exchange{name: name, header: asProtobuf, body: of(build()), status: 200, kept: 2, rejected: 1})
	}
	absurd := protowire.AppendFixed64(protowire.AppendTag(goodSpan(), 7, protowire.Fixed64Type), 1<<64-1)
	absurd = protowire.AppendFixed64(protowire.AppendTag(absurd, 8, protowire.Fixed64Type), 1)
	return append(rows,
		exchange{name: "value of depth 49", header: asProtobuf, body: of(deepProtobuf(49)), status: 200, kept: 1},
		exchange{name: "absurd times", header: asProtobuf, body: of(requestOf(absurd)), status: 200, kept: 1},
		exchange{name: "unknown fields", header: asProtobuf, body: of(append(requestOf(embed(goodSpan(), 777, []byte("new"))), embed(nil, 999, []byte("newer"))...)), status: 200, kept: 1},
		exchange{name: "no span at all", header: asProtobuf, body: of(requestOf()), status: 200},
	)
}

func jsonExchanges() []exchange {
	const bom = "\xef\xbb\xbf"
	ids := func(format string) string { // the spans that are kept need their own
		return fmt.Sprintf(`"traceId":"`+format+`","spanId":"`+format+`"`, randomBytes(16), randomBytes(8))
	}
	var rows []exchange
	for name, body := range map[string]string{
		"broken json":             `{"resourceSpans":[{`,
		"json ids in base64":      jsonSpan(`"traceId":"AQIDBAUGBwgJCgsMDQ4PEA==","spanId":"AQIDBAUGBwg="`, ""),
		"json ids not hex":        jsonSpan(`"traceId":"zz02030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"`, ""),
		"json enum by name":       jsonSpan(ids("%x"), `"kind":"SPAN_KIND_SERVER"`),
		"json NaN":                jsonSpan(ids("%x"), `"attributes":[{"key":"k","value":{"doubleValue":NaN}}]`),
		"json with a BOM":         bom + jsonSpan(ids("%x"), ""),
		"json in UTF-16":          inUTF16(jsonSpan(ids("%x"), "")),
		"json with data after it": jsonSpan(ids("%x"), "") + `{}`,
		"json of depth 50":        string(deepJSON(50)),
		"json of depth 100,000":   string(deepJSON(100_000)),
		"json deep in the dark":   `{"unknown":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
		"json is no object":       `[]`,
	} {
		rows = append(rows, exchange{name: name, header: asJSON, body: of([]byte(body)), status: 400})
	}
	for name, body := range map[string]string{
		"json":                   jsonSpan(ids("%x"), ""),
		"json int64 as a string": jsonSpan(ids("%x"), `"startTimeUnixNano":"1544712660000000000","attributes":[{"key":"k","value":{"intValue":"42"}}]`),
		"json int64 as a number": jsonSpan(ids("%x"), `"startTimeUnixNano":1544712660000000000,"attributes":[{"key":"k","value":{"intValue":42}}]`),
		"json unknown keys":      jsonSpan(ids("%x"), `"newKey":{"a":[1,2]}`),
		"json snake_case keys":   jsonSpan(ids("%x"), `"start_time_unix_nano":"not looked at"`),
		"json ids in capitals":   jsonSpan(ids("%X"), ""),
	} {
		rows = append(rows, exchange{name: name, header: asJSON, body: of([]byte(body)), status: 200, kept: 1})
	}
	return append(rows, exchange{
		name: "json zero trace id", header: asJSON, status: 200, rejected: 1,
		body: of([]byte(jsonSpan(`"traceId":"00000000000000000000000000000000","spanId":"0102030405060708"`, ""))),
	})
}

func inUTF16(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}
