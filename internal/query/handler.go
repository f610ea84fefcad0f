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
	// Archive is asked too, unless it is nil.
	Archive Archive
	// Held returns, for a tenant, a function that says whether Tempo answers for a block itself, as of now, so that the
	// archive need not. It is right to say no at any time, and wrong to say yes for a block that Tempo may purge within a
	// minute. nil: the archive is asked for all blocks.
	Held func(tenant string) func(block string) bool
	// TracesAtOnce bounds how many whole traces Tempo reads at the same time; further requests wait. 0: any number.
	TracesAtOnce int
	// MultiTenant says that X-Scope-OrgID names the tenant; else there is only SingleTenant.
	MultiTenant bool
	// Build is of the Tempo whose code reads the archive. It is told where there is an archive and Tempo does not answer,
	// since Grafana reads from it what may be asked.
	Build  BuildInfo
	Logger *slog.Logger
}

// Handler answers the read API.
type Handler struct {
	backend     func() (Backend, error)
	archive     Archive
	held        func(tenant string) func(block string) bool
	multiTenant bool
	build       BuildInfo
	logger      *slog.Logger
	http        *http.ServeMux
	proxy       *httputil.ReverseProxy
	grpc        *grpcServer
	turns       chan struct{} // one for each answer that is put together now
}

// New makes a Handler. Close frees its connections.
func New(o Options) *Handler {
	h := &Handler{
		backend: o.Backend, archive: o.Archive, held: o.Held, multiTenant: o.MultiTenant, build: o.Build, logger: o.Logger, http: http.NewServeMux(),
	}
	h.turns = make(chan struct{}, maxMerging)
	h.grpc = newGRPCServer(h)
	h.proxy = &httputil.ReverseProxy{
		Rewrite:       h.rewrite,
		ErrorHandler:  h.unreachable,
		FlushInterval: -1,
		Transport: newGate(&http.Transport{
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       30 * time.Second,
			ResponseHeaderTimeout: 5 * time.Minute,
		}, o.TracesAtOnce),
	}
	h.http.HandleFunc("GET /api/echo", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "echo")
	})
	for pattern, answer := range map[string]http.HandlerFunc{
		"GET /api/status/buildinfo":           h.buildInfo,
		"GET /api/traces/{trace}":             h.trace(false),
		"GET /api/v2/traces/{trace}":          h.trace(true),
		"GET /api/search":                     h.search,
		"GET /api/search/tags":                h.tags,
		"GET /api/v2/search/tags":             h.tagsV2,
		"GET /api/search/tag/{tag}/values":    h.tagValues,
		"GET /api/v2/search/tag/{tag}/values": h.tagValuesV2,
		"GET /api/metrics/query_range":        h.queryRange,
		"GET /api/metrics/query":              h.pass,
	} {
		if h.archive == nil {
			answer = h.pass
		}
		h.http.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if wellFormed(w, r) {
				answer(w, r)
			}
		})
	}
	return h
}

// ServeHTTP answers HTTP and, over HTTP/2, gRPC.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, end := h.withTurn(r)
	defer end()
	steady := newSteadyWriter(w)
	defer steady.allow() // for what is still buffered then
	w = steady
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		h.grpc.server.ServeHTTP(w, r)
		return
	}
	h.http.ServeHTTP(w, r)
}

// Close ends the connections to Tempo.
func (h *Handler) Close() {
	h.proxy.Transport.(*gate).CloseIdleConnections()
	h.grpc.close()
}

// wellFormed refuses what must not reach Tempo.
func wellFormed(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" {
		http.Error(w, "this API does not upgrade connections", http.StatusBadRequest)
		return false
	}
	if id := r.PathValue("trace"); id != "" && !isTraceID(id) {
		http.Error(w, "a trace id is 1 to 32 hexadecimal digits", http.StatusBadRequest)
		return false
	}
	if tag := r.PathValue("tag"); tag == "." || tag == ".." {
		http.Error(w, "no such tag", http.StatusBadRequest)
		return false
	}
	if err := checkQueries(r.URL.Query()); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// archivedTenant is whose blocks the archive is asked for. Where it is not ok, Tempo has answered alone.
func (h *Handler) archivedTenant(w http.ResponseWriter, r *http.Request) (string, bool) {
	tenant, err := h.tenantOf(r.Header.Get("X-Scope-OrgID"))
	if err != nil {
		partial(w, err)
		h.pass(w, r)
		return "", false
	}
	return tenant, true
}

// pass hands a request of a known path to Tempo.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request) {
	b, err := h.backend()
	if err != nil {
		refuse(w, err)
		return
	}
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), backendKey{}, b)))
}

type backendKey struct{}

func (h *Handler) rewrite(pr *httputil.ProxyRequest) {
	h.direct(pr.Out, pr.In, pr.In.Context().Value(backendKey{}).(Backend))
}

// direct sends out to Tempo: its path is built anew from the matched pattern, its parameters bounded.
func (h *Handler) direct(out, in *http.Request, b Backend) {
	_, pattern, _ := strings.Cut(in.Pattern, " ")
	path := strings.NewReplacer(
		"{trace}", in.PathValue("trace"),
		"{tag}", url.PathEscape(in.PathValue("tag")),
	).Replace(pattern)
	target := *b.HTTP
	if u, err := url.Parse(strings.TrimSuffix(target.Path, "/") + path); err == nil {
		target.Path, target.RawPath = u.Path, u.RawPath
	}
	target.RawQuery = bound(in.URL.Query()).Encode()
	out.URL = &target
	out.Host = ""
	if target.User != nil {
		password, _ := target.User.Password()
		out.SetBasicAuth(target.User.Username(), password)
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
