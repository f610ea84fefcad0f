package readapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
)

const (
	// DefaultLimit is how many traces a search returns that asks for no number,
	// as in Tempo.
	DefaultLimit = 20
	// MaxLimit is the largest number of traces of a search. A larger one is
	// taken for it.
	MaxLimit = 10_000
	// MaxSpansPerSet is the largest number of spans of a span set. A larger one
	// is refused, as in Tempo.
	MaxSpansPerSet = 100
	// SingleTenant is the tenant of a store that has no others.
	SingleTenant = "single-tenant"
	// PartialHeader is on an answer that lacks something, and says what.
	PartialHeader = "Appliance-Partial"

	// patience is how long an answer may be put together; Grafana gives up after
	// 30 s.
	patience = 25 * time.Second
	// maxAnswers is how many answers are put together at once, all clients
	// together. Others wait.
	maxAnswers = 8
)

// Options of a Handler.
type Options struct {
	Engine Engine
	// MultiTenant says that X-Scope-OrgID names the tenant; else there is only
	// SingleTenant.
	MultiTenant bool
	// MaxSearchRange and MaxMetricsRange bound the range of a request in time.
	// 0: unbounded.
	MaxSearchRange, MaxMetricsRange time.Duration
	Build                           BuildInfo
	Logger                          *slog.Logger
}

// Handler answers the read API.
type Handler struct {
	Options
	http  *http.ServeMux
	grpc  *grpc.Server
	turns chan struct{} // one for each answer that is put together now
	later func(context.Context, func()) error
}

// New makes a Handler. Close ends its streams.
func New(o Options) *Handler {
	h := &Handler{Options: o, http: http.NewServeMux(), turns: make(chan struct{}, maxAnswers)}
	h.later = func(_ context.Context, do func()) error { do(); return nil }
	if e, ok := o.Engine.(Patient); ok {
		h.later = e.Later
	}
	h.grpc = h.newGRPCServer()
	for path, answer := range map[string]answerFunc{
		"/api/status/buildinfo":           h.buildInfo,
		"/api/traces/{trace}":             h.trace,
		"/api/v2/traces/{trace}":          h.traceV2,
		"/api/search":                     h.search,
		"/api/search/tags":                h.tags,
		"/api/v2/search/tags":             h.tagsV2,
		"/api/search/tag/{tag}/values":    h.tagValues,
		"/api/v2/search/tag/{tag}/values": h.tagValuesV2,
		"/api/metrics/query_range":        h.queryRange,
		"/api/metrics/query":              h.queryInstant,
	} {
		h.http.HandleFunc(path, h.answering(answer))
	}
	h.http.HandleFunc("/api/echo", h.answering(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := io.WriteString(w, "echo")
		return err
	}))
	return h
}

// ServeHTTP answers HTTP and, over HTTP/2, gRPC.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var handler http.Handler = h.http
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		handler = h.grpc
	}
	Steadily(handler).ServeHTTP(w, r)
}

// Close ends what is still streamed.
func (h *Handler) Close() { h.grpc.Stop() }

// answerFunc answers a request, or returns why it did not.
type answerFunc func(http.ResponseWriter, *http.Request) error

// answering makes a handler of a function that returns its error. Methods that
// only read are answered alike, as Tempo does.
func (h *Handler) answering(answer answerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions:
		default:
			w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
			http.Error(w, "the read API takes GET", http.StatusMethodNotAllowed)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), clientKey{}, r.Context()), patience)
		defer cancel()
		ctx, written := keeping(ctx)
		defer written()
		if err := answer(w, r.WithContext(ctx)); err != nil && r.Context().Err() == nil {
			h.refuse(w, r, err)
		}
	}
}

// clientKey has the context of a request that ends with its client alone.
type clientKey struct{}

// whenTurn does something for an answer that is there when it is its turn. Patience
// is over for the question, not for the answer: what was found until then is written.
func (h *Handler) whenTurn(r *http.Request, do func()) error {
	ctx := r.Context()
	if client, ok := ctx.Value(clientKey{}).(context.Context); ok {
		ctx = client
	}
	return h.later(ctx, do)
}

// takeTurn waits until fewer than maxAnswers others are put together. The
// caller calls leave when it has written its answer.
func (h *Handler) takeTurn(ctx context.Context) (leave func(), err error) {
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-ctx.Done():
		return nil, unavailable("%d other requests are being answered", maxAnswers)
	}
}
