package receiver

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	"appliance/internal/otlpwire"
)

// refusal is why a request is not answered 200. Of the codes, clients try
// again only after 429 and 503; all others make them drop their data.
type refusal struct {
	code       int
	rpc        int    // google.rpc.Code, where it is not that of code
	message    string // for the client
	retryAfter time.Duration
	hangUp     bool  // the connection is of no further use
	cause      error // for the log, nil when message says it all
}

func (f *refusal) Error() string { return f.message }

// retryAfter is proposed to clients when nobody knows better.
const retryAfter = time.Second

// Refusals that are always the same.
var (
	errDraining = &refusal{code: http.StatusServiceUnavailable, message: "shutting down", retryAfter: retryAfter, hangUp: true}
	errInflight = &refusal{code: http.StatusServiceUnavailable, message: "too many bytes in flight", retryAfter: retryAfter}
	errPanic    = &refusal{code: http.StatusServiceUnavailable, message: "internal error", retryAfter: retryAfter, hangUp: true}
	errSlowBody = &refusal{code: http.StatusServiceUnavailable, message: "body took too long to arrive", retryAfter: retryAfter, hangUp: true}

	errFraming      = &refusal{code: http.StatusBadRequest, message: "length of the body is ambiguous: want either one Content-Length or Transfer-Encoding: chunked", hangUp: true}
	errVersion      = &refusal{code: http.StatusHTTPVersionNotSupported, message: "OTLP/HTTP is taken over HTTP/1.1", hangUp: true}
	errPath         = &refusal{code: http.StatusNotFound, message: "traces are taken at /v1/traces", hangUp: true}
	errMethod       = &refusal{code: http.StatusMethodNotAllowed, message: "traces are taken by POST", hangUp: true}
	errUnauthorized = &refusal{code: http.StatusUnauthorized, message: "bearer token is missing or unknown", hangUp: true}
	errTenant       = &refusal{code: http.StatusForbidden, message: "X-Scope-OrgID names no tenant that is served here", hangUp: true}
	errContentType  = &refusal{code: http.StatusUnsupportedMediaType, message: "Content-Type must be " + protobufType + " or " + jsonType, hangUp: true}
	errCompression  = &refusal{code: http.StatusUnsupportedMediaType, message: "Content-Encoding must be one of identity, gzip, zstd", hangUp: true}
)

func errTooLarge(what string, limit int) *refusal {
	return &refusal{code: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("%s is larger than %d bytes", what, limit), hangUp: true}
}

func errBadRequest(err error) *refusal {
	return &refusal{code: http.StatusBadRequest, message: printable(err.Error())}
}

func errQuota(wait time.Duration) *refusal {
	return &refusal{code: http.StatusTooManyRequests, message: "client is over its quota of requests", retryAfter: wait}
}

// asRefusal also knows what to do with an error that nobody has thought of.
func asRefusal(err error) *refusal {
	if f, ok := errors.AsType[*refusal](err); ok {
		return f
	}
	return notKept(err)
}

// refusedBody says why a body could not be read.
func refusedBody(err error) *refusal {
	if f, ok := errors.AsType[*refusal](err); ok {
		return f
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlowBody
	}
	f := errBadRequest(fmt.Errorf("read body: %w", err))
	f.hangUp = true
	return f
}

// refusedRequest says why otlpwire refuses a request as a whole.
func refusedRequest(err error) *refusal {
	f := errBadRequest(err)
	if errors.Is(err, otlpwire.ErrTooMany) {
		f.code = http.StatusRequestEntityTooLarge
	}
	return f
}

// notKept is for a batch that the Sink has not kept.
func notKept(err error) *refusal {
	f := &refusal{
		code:       http.StatusServiceUnavailable,
		message:    "spans cannot be kept now",
		retryAfter: retryAfter,
		cause:      err,
	}
	if u, ok := errors.AsType[*UnavailableError](err); ok && u.RetryAfter > 0 {
		f.retryAfter = u.RetryAfter
	}
	return f
}

func (f *refusal) send(w http.ResponseWriter, e encoding) {
	h := w.Header()
	switch f {
	case errMethod:
		h["Allow"] = []string{http.MethodPost}
	case errUnauthorized:
		h["Www-Authenticate"] = []string{"Bearer"}
	case errCompression:
		h["Accept-Encoding"] = []string{acceptedCompressions}
	}
	if f.retryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds())))}
	}
	if f.hangUp {
		h["Connection"] = []string{"close"}
	}
	write(w, e, f.code, encodeStatus(e, f.code, f.message))
}
