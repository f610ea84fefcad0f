package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// workload is a kind of request.
type workload struct {
	Name   string
	Spans  int // in each request
	Bodies int // different ones that are made beforehand
	// requests a second, where latency is measured; no server is at its limit there
	Rate     float64
	Type     string
	Encoding string
	GRPC     bool // over OTLP/gRPC
	encode   func(ptrace.Traces) ([]byte, error)
	compress func([]byte) ([]byte, error)
}

const (
	typeProtobuf  = "application/x-protobuf"
	typeJSON      = "application/json"
	typeGRPC      = "application/grpc"
	spansPerTrace = 8
)

func workloads() []workload {
	plain := func(b []byte) ([]byte, error) { return b, nil }
	pb, js := (&ptrace.ProtoMarshaler{}).MarshalTraces, (&ptrace.JSONMarshaler{}).MarshalTraces
	return []workload{
		{Name: "protobuf", Spans: 512, Bodies: 64, Rate: 200, Type: typeProtobuf, encode: pb, compress: plain},
		{Name: "gzip", Spans: 512, Bodies: 64, Rate: 60, Type: typeProtobuf, Encoding: "gzip", encode: pb, compress: gzipBody},
		{Name: "zstd", Spans: 512, Bodies: 64, Rate: 60, Type: typeProtobuf, Encoding: "zstd", encode: pb, compress: zstdBody},
		{Name: "json", Spans: 512, Bodies: 64, Rate: 20, Type: typeJSON, encode: js, compress: plain},
		{Name: "grpc", Spans: 512, Bodies: 64, Rate: 30, Type: typeGRPC, GRPC: true, encode: pb, compress: grpcFrame},
		{Name: "one-span", Spans: 1, Bodies: 4096, Rate: 400, Type: typeProtobuf, encode: pb, compress: plain},
	}
}

// grpcFrame puts the prefix of gRPC before a message.
func grpcFrame(b []byte) ([]byte, error) {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(b))), b...), nil
}

func workloadNames() string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}

func chooseWorkloads(only string) ([]workload, error) {
	all := workloads()
	if only == "" {
		return all, nil
	}
	i := slices.IndexFunc(all, func(w workload) bool { return w.Name == only })
	if i < 0 {
		return nil, fmt.Errorf("no workload is called %q; there are %s", only, workloadNames())
	}
	return all[i : i+1], nil
}

// requests is what a load generator needs to know; it goes to its process in a file.
type requests struct {
	Type, Encoding string
	Spans          int
	Bodies         [][]byte
}

// build makes the bodies of a workload, the same ones each time, and writes them to a file.
func (w workload) build(dir string) (path string, size int, err error) {
	r := requests{Type: w.Type, Encoding: w.Encoding, Spans: w.Spans}
	rng := rand.New(rand.NewPCG(1, 2))
	for range w.Bodies {
		plain, err := w.encode(makeTraces(rng, w.Spans))
		if err != nil {
			return "", 0, fmt.Errorf("encode %s request: %w", w.Name, err)
		}
		body, err := w.compress(plain)
		if err != nil {
			return "", 0, fmt.Errorf("compress %s request: %w", w.Name, err)
		}
		size += len(plain)
		r.Bodies = append(r.Bodies, body)
	}
	path = filepath.Join(dir, w.Name)
	f, err := os.Create(path)
	if err != nil {
		return "", 0, err
	}
	if err := errors.Join(gob.NewEncoder(f).Encode(r), f.Close()); err != nil {
		return "", 0, fmt.Errorf("write requests: %w", err)
	}
	return path, size / w.Bodies, nil
}

func readRequests(path string) (requests, error) {
	var r requests
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	if err := gob.NewDecoder(f).Decode(&r); err != nil {
		return r, fmt.Errorf("read requests: %w", err)
	}
	if len(r.Bodies) == 0 {
		return r, fmt.Errorf("%s has no requests", path)
	}
	return r, nil
}

// makeTraces makes spans as a proxy and the services behind it do, about 410
// bytes each in protobuf.
func makeTraces(rng *rand.Rand, spans int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	res := rs.Resource().Attributes()
	res.PutStr("service.name", "checkout")
	res.PutStr("service.version", "1.42.0")
	res.PutStr("host.name", "node-7.example")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("bench")
	now := time.Now()
	var id [16]byte
	var root, span [8]byte
	for i := range spans {
		s := ss.Spans().AppendEmpty()
		fill(rng, span[:])
		if i%spansPerTrace == 0 {
			fill(rng, id[:])
			root = span
		} else {
			s.SetParentSpanID(pcommon.SpanID(root))
		}
		s.SetTraceID(pcommon.TraceID(id))
		s.SetSpanID(pcommon.SpanID(span))
		s.SetFlags(1)
		s.SetName("GET /api/v1/orders/{id}")
		s.SetKind(ptrace.SpanKindServer)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(rng.IntN(1e9)))))
		a := s.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("url.scheme", "https")
		a.PutStr("url.path", fmt.Sprintf("/api/v1/orders/%08d", rng.IntN(1e8)))
		a.PutStr("http.route", "/api/v1/orders/{id}")
		a.PutInt("http.response.status_code", 200)
		a.PutStr("server.address", "shop.example")
		a.PutStr("client.address", fmt.Sprintf("10.%d.%d.%d", rng.IntN(256), rng.IntN(256), rng.IntN(256)))
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
		a.PutStr("enduser.id", fmt.Sprintf("u-%06d", rng.IntN(1e6)))
	}
	return td
}

func fill(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

func gzipBody(b []byte) ([]byte, error) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func zstdBody(b []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, err
	}
	text := z.EncodeAll(b, nil)
	return text, z.Close()
}
