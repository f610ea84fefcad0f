package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/harness"
)

const mebi = 1 << 20

// growth is by how much bad input may raise the peak of the appliance's memory. One unguarded bomb would take more than that.
const growth = 64 * mebi

type badInput struct {
	name    string
	header  http.Header
	body    func() io.Reader
	status  int
	retries int // how often it is sent, to see memory pile up
}

// TestBadInput gives a running appliance what a broken or hostile client might. Each has its status, and leaves process and memory alone.
func TestBadInput(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	good, ids := harness.NewRequest("good", 5, 3)
	body, err := proto.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	warmUp(t, a)
	before := harness.MemoryOf(t, a.Pid)

	for _, in := range badInputs(t, body) {
		t.Run(in.name, func(t *testing.T) {
			for range max(1, in.retries) {
				answer, err := a.Post(t.Context(), in.body(), in.header)
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				if answer.Status != in.status {
					t.Fatalf("status %d, want %d: %q", answer.Status, in.status, answer.Body)
				}
			}
			if !a.Alive() {
				t.Fatal("appliance ended")
			}
			if now := harness.MemoryOf(t, a.Pid); now.Peak > before.Peak+growth {
				t.Fatalf("peak memory went from %d MiB to %d MiB", before.Peak/mebi, now.Peak/mebi)
			}
		})
	}
	t.Run("bombs at once", func(t *testing.T) { sendBombsAtOnce(t, a, before) })

	after := harness.MemoryOf(t, a.Pid)
	t.Logf("peak memory %d MiB before, %d MiB after; resident %d MiB before, %d MiB after",
		before.Peak/mebi, after.Peak/mebi, before.Resident/mebi, after.Resident/mebi)
	if answer, err := a.Post(t.Context(), bytes.NewReader(body), http.Header{"Content-Type": {harness.Protobuf}}); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("a good request after all that: %v, %+v", err, answer)
	}
	a.MustFind(t, withSpans(ids, 3))
}

func badInputs(t *testing.T, good []byte) []badInput {
	t.Helper()
	var (
		pb   = http.Header{"Content-Type": {harness.Protobuf}}
		json = http.Header{"Content-Type": {"application/json"}}
		gz   = with(pb, "Content-Encoding", "gzip")
		zs   = with(pb, "Content-Encoding", "zstd")
	)
	zipped := gzipped(t, bytes.NewReader(good))
	badSum := bytes.Clone(zipped)
	badSum[len(badSum)-6] ^= 0xff // within the CRC, the last but four bytes
	bomb := gzipped(t, zeros(100*mebi))
	zstdBomb := zstdZeros(t, 100*mebi)

	return []badInput{
		{name: "no content type", header: http.Header{}, body: of(good), status: 415},
		{name: "wrong content type", header: http.Header{"Content-Type": {"text/plain"}}, body: of(good), status: 415},
		{name: "unknown encoding", header: with(pb, "Content-Encoding", "snappy"), body: of(good), status: 415},
		{name: "json labelled protobuf", header: pb, body: of([]byte(`{"resourceSpans":[]}`)), status: 400},
		{name: "protobuf labelled json", header: json, body: of(good), status: 400},
		{name: "broken json", header: json, body: of([]byte(`{"resourceSpans":[{`)), status: 400},
		{name: "not gzip", header: gz, body: of(good), status: 400},
		{name: "truncated gzip", header: gz, body: of(zipped[:len(zipped)-20]), status: 400},
		{name: "gzip with a wrong sum", header: gz, body: of(badSum), status: 400},
		{name: "truncated protobuf", header: pb, body: of(good[:len(good)-7]), status: 400},
		{name: "absurd length", header: pb, body: of(protowire.AppendVarint([]byte{0x0a}, 1<<63)), status: 400},
		{name: "deep protobuf", header: pb, body: of(deepProtobuf(50_000)), status: 400, retries: 5},
		{name: "deep json", header: json, body: of(deepJSON(100_000)), status: 400, retries: 5},
		{name: "100 MB of zeros in gzip", header: gz, body: of(bomb), status: 413, retries: 10},
		{name: "100 MB of zeros in zstd", header: zs, body: of(zstdBomb), status: 413, retries: 10},
		{name: "100 MB of zeros", header: pb, body: func() io.Reader { return zeros(100 * mebi) }, status: 413},
		{name: "7 million empty spans", header: gz, body: of(gzipped(t, bytes.NewReader(emptySpans(7_000_000)))), status: 413},
	}
}

func sendBombsAtOnce(t *testing.T, a *harness.Appliance, before harness.Memory) {
	const clients, each = 8, 5
	bomb := gzipped(t, zeros(100*mebi))
	header := http.Header{"Content-Type": {harness.Protobuf}, "Content-Encoding": {"gzip"}}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				answer, err := a.Post(t.Context(), bytes.NewReader(bomb), header)
				if err != nil {
					t.Errorf("no answer: %v", err)
					return
				}
				// 503 is right as well: no memory left to unpack it in.
				if answer.Status != http.StatusRequestEntityTooLarge && answer.Status != http.StatusServiceUnavailable {
					t.Errorf("status %d: %q", answer.Status, answer.Body)
				}
			}
		})
	}
	all.Wait()
	if now := harness.MemoryOf(t, a.Pid); now.Peak > before.Peak+4*growth {
		t.Errorf("%d bombs at once took peak memory from %d MiB to %d MiB", clients, before.Peak/mebi, now.Peak/mebi)
	}
}

// warmUp makes the appliance allocate what any traffic makes it allocate.
func warmUp(t *testing.T, a *harness.Appliance) {
	t.Helper()
	for range 20 {
		r, _ := harness.NewRequest("warm-up", 100, 10)
		if answer, err := a.Export(t.Context(), r); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("send: %v, %+v", err, answer)
		}
	}
}

func with(h http.Header, key, value string) http.Header {
	h = h.Clone()
	h.Set(key, value)
	return h
}

func of(b []byte) func() io.Reader {
	return func() io.Reader { return bytes.NewReader(b) }
}

// onlyReader hides the other methods of a reader, so that an HTTP client cannot know the length and sends chunks.
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

func zstdZeros(t *testing.T, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(z, zeros(n))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// deepProtobuf is a request with a span attribute whose value is an array in an array, depth times.
func deepProtobuf(depth int) []byte {
	value := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "x") // AnyValue.string_value
	// Built from the inside out: each level is AnyValue{array_value: ArrayValue{values: [inner]}}. Prepending would copy all each time,
	// so the headers are written backwards into the end of one buffer.
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
	attribute := embed(nil, 2, buf[at:]) // KeyValue.value
	span := embed(nil, 9, attribute)     // Span.attributes
	return embed(nil, 1, embed(nil, 2, embed(nil, 2, span)))
}

func embed(dst []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), message)
}

func deepJSON(depth int) []byte {
	const open, end = `{"arrayValue":{"values":[`, `]}}`
	return []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"k","value":` +
		strings.Repeat(open, depth) + `{"stringValue":"x"}` + strings.Repeat(end, depth) + `}]}]}]}]}`)
}

// emptySpans is a request whose spans have nothing in them, two bytes each.
func emptySpans(n int) []byte {
	spans := bytes.Repeat([]byte{0x12, 0x00}, n) // ScopeSpans.spans, length 0
	return embed(nil, 1, embed(nil, 2, spans))
}
