package readapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"appliance/internal/traceql"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func badRequest(format string, args ...any) error {
	return &BadRequest{Why: fmt.Sprintf(format, args...)}
}

func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnavailable, fmt.Sprintf(format, args...))
}

// isBad says whether the question is at fault.
func isBad(err error) bool {
	var bad *BadRequest
	var parse *traceql.Error
	return errors.As(err, &bad) || errors.As(err, &parse)
}

// refuse answers with an error over HTTP.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case isBad(err):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.Is(err, ErrUnavailable):
		w.Header().Set("Retry-After", "2")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		h.Logger.Error("read API cannot answer", "path", r.URL.Path, "err", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// grpcError is an error as gRPC has it.
func (h *Handler) grpcError(method string, err error) error {
	switch {
	case isBad(err):
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, ErrUnavailable):
		return status.Error(codes.Unavailable, err.Error())
	}
	h.Logger.Error("read API cannot answer over gRPC", "method", method, "err", err)
	return status.Error(codes.Internal, err.Error())
}

// inALine is what is missing, short enough for a header.
func (m Missing) inALine() string {
	const most = 10
	var texts []string
	for _, why := range m[:min(len(m), most)] {
		texts = append(texts, strings.Join(strings.Fields(why), " "))
	}
	if more := len(m) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.Join(texts, "; "))
}
