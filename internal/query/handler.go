package query

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// Backend is where a Tempo answers now.
type Backend struct {
	HTTP *url.URL // base of its HTTP API
	GRPC string   // address of its gRPC API
	TLS  bool     // for GRPC
}

// Options of a Handler.
type Options struct {
	// Backend returns the Tempo to ask, or an error while there is none.
	Backend func() (Backend, error)
	Logger  *slog.Logger
}

// Handler answers the read API.
type Handler struct {
	backend func() (Backend, error)
	logger  *slog.Logger
	http    *http.ServeMux
	proxy   *httputil.ReverseProxy
	grpc    *grpcServer
}

// New makes a Handler. Close frees its connections.
func New(o Options) *Handler {
	h := &Handler{backend: o.Backend, logger: o.Logger, http: http.NewServeMux(), grpc: newGRPCServer(o.Backend)}
	h.proxy = &httputil.ReverseProxy{
		Rewrite:       h.rewrite,
		ErrorHandler:  h.unreachable,
		FlushInterval: -1,
		Transport: &http.Transport{
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       30 * time.Second,
			ResponseHeaderTimeout: 5 * time.Minute,
		},
	}
	h.http.HandleFunc("GET /api/echo", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "echo")
	})
	for _, pattern := range []string{
		"GET /api/status/buildinfo",
		"GET /api/traces/{trace}",
		"GET /api/v2/traces/{trace}",
		"GET /api/search",
		"GET /api/search/tags",
		"GET /api/v2/search/tags",
		"GET /api/search/tag/{tag}/values",
		"GET /api/v2/search/tag/{tag}/values",
		"GET /api/metrics/query_range",
		"GET /api/metrics/query",
	} {
		h.http.HandleFunc(pattern, h.pass)
	}
	return h
}

// ServeHTTP answers HTTP and, over HTTP/2, gRPC.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		h.grpc.server.ServeHTTP(w, r)
		return
	}
	h.http.ServeHTTP(w, r)
}

// Close ends the connections to Tempo.
func (h *Handler) Close() {
	h.proxy.Transport.(*http.Transport).CloseIdleConnections()
	h.grpc.close()
}

// pass hands a request of a known path to Tempo.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		http.Error(w, "this API does not upgrade connections", http.StatusBadRequest)
		return
	}
	if id := r.PathValue("trace"); id != "" && !isTraceID(id) {
		http.Error(w, "a trace id is 1 to 32 hexadecimal digits", http.StatusBadRequest)
		return
	}
	if tag := r.PathValue("tag"); tag == "." || tag == ".." {
		http.Error(w, "no such tag", http.StatusBadRequest)
		return
	}
	b, err := h.backend()
	if err != nil {
		refuse(w, err)
		return
	}
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), backendKey{}, b)))
}

type backendKey struct{}

// rewrite builds the request to Tempo anew: its path from the matched pattern, its parameters bounded.
func (h *Handler) rewrite(pr *httputil.ProxyRequest) {
	b := pr.In.Context().Value(backendKey{}).(Backend)
	_, pattern, _ := strings.Cut(pr.In.Pattern, " ")
	path := strings.NewReplacer(
		"{trace}", pr.In.PathValue("trace"),
		"{tag}", url.PathEscape(pr.In.PathValue("tag")),
	).Replace(pattern)
	target := *b.HTTP
	if out, err := url.Parse(strings.TrimSuffix(target.Path, "/") + path); err == nil {
		target.Path, target.RawPath = out.Path, out.RawPath
	}
	target.RawQuery = bound(pr.In.URL.Query()).Encode()
	pr.Out.URL = &target
	pr.Out.Host = ""
	if target.User != nil {
		password, _ := target.User.Password()
		pr.Out.SetBasicAuth(target.User.Username(), password)
		target.User = nil
	}
}

func (h *Handler) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client has gone
	}
	h.logger.Warn("read API cannot reach tempo", "path", r.URL.Path, "err", err)
	refuse(w, err)
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "2")
	http.Error(w, "tempo does not answer: "+err.Error(), http.StatusServiceUnavailable)
}

func isTraceID(s string) bool {
	if len(s) == 0 || len(s) > 32 {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}
