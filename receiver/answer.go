package receiver

import (
	"encoding/json"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// result is the answer 200. The zero value says that all spans are fine.
type result struct {
	rejected int
	message  string
}

func (r *result) reject(spans int, message string) {
	r.rejected += spans
	if r.message != "" {
		r.message += "; "
	}
	r.message += message
}

func (r *result) send(w http.ResponseWriter, e encoding) {
	write(w, e, http.StatusOK, encodeResult(e, r))
}

// Header values are shared: net/http only reads them.
var (
	protobufHeader = []string{protobufType}
	jsonHeader     = []string{jsonType}
)

// write answers in the request's encoding, in JSON where that is not known.
func write(w http.ResponseWriter, e encoding, code int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonHeader
	if e == protobuf {
		h["Content-Type"] = protobufHeader
	}
	// of an answer that ends before the request
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(code)
	if len(body) > 0 {
		_, _ = w.Write(body) // a client that is gone will ask again
	}
}

// encodeResult makes an ExportTraceServiceResponse.
func encodeResult(e encoding, r *result) []byte {
	switch {
	case r.rejected == 0 && e == jsonText:
		return []byte("{}")
	case r.rejected == 0:
		return nil
	case e == jsonText:
		return marshal(map[string]any{"partialSuccess": map[string]any{
			"rejectedSpans": strconv.Itoa(r.rejected), // an int64 is a string in protobuf's JSON
			"errorMessage":  r.message,
		}})
	}
	partial := protowire.AppendTag(nil, 1, protowire.VarintType)
	partial = protowire.AppendVarint(partial, uint64(r.rejected))
	partial = protowire.AppendTag(partial, 2, protowire.BytesType)
	partial = protowire.AppendString(partial, r.message)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

// encodeStatus makes a google.rpc.Status.
func encodeStatus(e encoding, httpStatus int, message string) []byte {
	if e != protobuf {
		return marshal(map[string]any{"code": rpcCode(httpStatus), "message": message})
	}
	b := protowire.AppendTag(nil, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(rpcCode(httpStatus)))
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return protowire.AppendString(b, message)
}

func marshal(v map[string]any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("{}") // strings and integers always marshal
	}
	return b
}

// rpcCode returns the google.rpc.Code that goes with an HTTP status.
func rpcCode(httpStatus int) int {
	switch httpStatus {
	case http.StatusUnauthorized:
		return 16 // UNAUTHENTICATED
	case http.StatusForbidden:
		return 7 // PERMISSION_DENIED
	case http.StatusNotFound:
		return 5 // NOT_FOUND
	case http.StatusMethodNotAllowed, http.StatusMisdirectedRequest, http.StatusHTTPVersionNotSupported:
		return 12 // UNIMPLEMENTED
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return 8 // RESOURCE_EXHAUSTED
	case http.StatusServiceUnavailable:
		return 14 // UNAVAILABLE
	}
	return 3 // INVALID_ARGUMENT
}
