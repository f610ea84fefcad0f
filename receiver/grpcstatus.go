package receiver

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Codes of google.rpc.Code that no HTTP status stands for here.
const (
	rpcUnimplemented = 12
)

// Refusals of OTLP/gRPC. Their code is the HTTP status that means the same, for
// the counts of requests.
var (
	errGRPCCodec       = &refusal{code: http.StatusUnsupportedMediaType, message: "messages must be protobuf: content-type application/grpc or application/grpc+proto"}
	errGRPCCompression = &refusal{code: http.StatusUnsupportedMediaType, rpc: rpcUnimplemented, message: "grpc-encoding must be one of identity, gzip, zstd"}
	errGRPCFrame       = &refusal{code: http.StatusBadRequest, message: "the message does not begin with a gRPC prefix"}
	errGRPCFlag        = &refusal{code: http.StatusBadRequest, message: "the message is marked as compressed, and grpc-encoding does not say how"}
	errGRPCCut         = &refusal{code: http.StatusBadRequest, message: "the request ends before its message does"}
	errGRPCTwo         = &refusal{code: http.StatusBadRequest, message: "something follows the message; Export takes one"}
)

// errGRPCMethod is for a method that is not served.
func errGRPCMethod(path string) *refusal {
	f := &refusal{code: http.StatusNotFound, rpc: rpcUnimplemented, message: "this receiver takes traces alone: " + grpcExport}
	if signal, ok := otherSignal(path); ok {
		f.message = "this receiver takes traces alone; send " + signal + " elsewhere"
	}
	return f
}

// otherSignal says which of OTLP's other signals a path is for.
func otherSignal(path string) (string, bool) {
	switch {
	case strings.HasPrefix(path, "/opentelemetry.proto.collector.metrics."), path == "/v1/metrics":
		return "metrics", true
	case strings.HasPrefix(path, "/opentelemetry.proto.collector.logs."), path == "/v1/logs":
		return "logs", true
	case strings.HasPrefix(path, "/opentelemetry.proto.collector.profiles."), path == "/v1development/profiles":
		return "profiles", true
	}
	return "", false
}

// errGRPCHere is for OTLP/gRPC on the port of OTLP/HTTP.
func (r *Receiver) errGRPCHere() *refusal {
	f := &refusal{code: http.StatusMisdirectedRequest, rpc: rpcUnimplemented, message: "this port takes OTLP/HTTP; OTLP/gRPC is not served here"}
	if port := portOf(r.grpcListener); port != "" {
		f.message = fmt.Sprintf("this port takes OTLP/HTTP; send OTLP/gRPC to port %s", port)
	}
	return f
}

// errHTTPHere is for OTLP/HTTP on the port of OTLP/gRPC.
func (r *Receiver) errHTTPHere() *refusal {
	return &refusal{
		code: http.StatusMisdirectedRequest, hangUp: true,
		message: fmt.Sprintf("this port takes OTLP/gRPC; send OTLP/HTTP to port %s", portOf(r.listener)),
	}
}

// errNotGRPC is for a request over HTTP/2 that is not gRPC.
func (r *Receiver) errNotGRPC(c *conn) *refusal {
	if c != nil && c.grpc {
		return r.errHTTPHere()
	}
	return errVersion
}

// rpcCode returns the google.rpc.Code of a refusal.
func (f *refusal) rpcCode() int {
	if f.rpc != 0 {
		return f.rpc
	}
	return rpcCode(f.code)
}

// sendGRPC answers with a status alone. RESOURCE_EXHAUSTED is tried again by
// clients only with the time after which (RetryInfo), UNAVAILABLE in any case.
func (f *refusal) sendGRPC(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = grpcHeader
	h["Grpc-Status"] = []string{strconv.Itoa(f.rpcCode())}
	h["Grpc-Message"] = []string{percentEncoded(f.message)}
	if f.retryAfter > 0 {
		h["Grpc-Status-Details-Bin"] = []string{base64.RawStdEncoding.EncodeToString(f.details())}
	}
	if f == errGRPCCompression {
		h["Grpc-Accept-Encoding"] = []string{acceptedCompressions}
	}
	w.WriteHeader(http.StatusOK)
}

var grpcHeader = []string{grpcType}

// details makes a google.rpc.Status with a google.rpc.RetryInfo.
func (f *refusal) details() []byte {
	number := func(b []byte, field protowire.Number, n int64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(n))
	}
	bytes := func(b []byte, field protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
	}
	delay := number(nil, 1, int64(f.retryAfter/time.Second))
	delay = number(delay, 2, int64(f.retryAfter%time.Second))
	info := bytes(nil, 1, []byte("type.googleapis.com/google.rpc.RetryInfo"))
	info = bytes(info, 2, bytes(nil, 1, delay))
	status := number(nil, 1, int64(f.rpcCode()))
	status = bytes(status, 2, []byte(f.message))
	return bytes(status, 3, info)
}

// sendGRPC answers OK. The zero result, which is nearly every one, costs nothing.
func (r *result) sendGRPC(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = grpcHeader
	h[http.TrailerPrefix+"Grpc-Status"] = grpcOK
	message := encodeResult(protobuf, r)
	frame := binary.BigEndian.AppendUint32(make([]byte, 1, grpcPrefix+len(message)), uint32(len(message)))
	_, _ = w.Write(append(frame, message...)) // a client that is gone will ask again
}

var grpcOK = []string{"0"}

// percentEncoded writes a message as grpc-message wants it: printable ASCII, and
// the rest by its bytes.
func percentEncoded(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
