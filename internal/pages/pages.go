package pages

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

const (
	// patience is how long a page may be put together.
	patience = 25 * time.Second
	// maxPages is how many are put together at once. Others wait.
	maxPages = 8
	// maxPeriod is the longest time that a page asks about, but for a search over
	// everything.
	maxPeriod = 366 * 24 * time.Hour
)

// Options of the pages.
type Options struct {
	// Engine answers questions about spans. nil: there is nothing to read from,
	// and the pages say so.
	Engine readapi.Engine
	// Services has the figures of services. nil: they are computed of what the
	// Engine has.
	Services Services
	// Status is the state of the appliance now.
	Status func() Status
	// History has the plots of the last day. nil: none.
	History *History
	// Tenants are those to choose from. Empty: there is one, without a name.
	Tenants []string
	// Undecided says whether there may be spans on which tail rules have not decided
	// yet. nil: there are none, ever.
	Undecided func() bool
	// NotFound says in sentences why a trace that nobody has may not be there.
	NotFound func(tenant string, id [16]byte) []string
	// WriteOTLP writes a trace as the JSON of OTLP.
	WriteOTLP func(io.Writer, *tempopb.Trace) error
	Version   string
	Logger    *slog.Logger
}

// Handler answers with pages: / is the search, /trace/ID a trace, /services and
// /status, and /pages/ what these need.
type Handler struct {
	Options
	templates map[string]*template.Template
	assets    assets
	turns     chan struct{}
	serve     http.Handler
}

//go:embed templates
var templateFiles embed.FS

// New makes a Handler. It fails if the templates cannot be read, which a test
// would show.
func New(o Options) (*Handler, error) {
	h := &Handler{Options: o, templates: map[string]*template.Template{}, turns: make(chan struct{}, maxPages)}
	var err error
	if h.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if h.Services == nil && o.Engine != nil {
		h.Services = StoredServices(o.Engine)
	}
	funcs := template.FuncMap{"asset": h.assets.path, "count": countText[int], "tab": tabOf}
	for _, name := range []string{"search", "trace", "compare", "services", "status", "problem"} {
		t, err := template.New("layout.html").Funcs(funcs).
			ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("read the template of page %s: %w", name, err)
		}
		h.templates[name] = t
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.answering(h.search))
	mux.HandleFunc("GET /trace/{id}", h.answering(h.trace))
	mux.HandleFunc("GET /services", h.answering(h.services))
	mux.HandleFunc("GET /status", h.answering(h.status))
	mux.HandleFunc("GET /pages/{name}", h.assets.serve)
	// A page has its turn until it is written, so one that nobody reads must end.
	h.serve = readapi.Steadily(mux)
	return h, nil
}

// ServeHTTP answers a request for a page.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve.ServeHTTP(w, r) }

// policy allows what comes from here, and no more. Bars are drawn by attributes
// of SVG, so that no style stands in a page.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func setHeaders(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
}

// answering makes a handler of a function that returns its error.
func (h *Handler) answering(answer func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		select {
		case h.turns <- struct{}{}:
			defer func() { <-h.turns }()
		case <-ctx.Done():
			h.refuse(w, r, fmt.Errorf("%w: %d other pages are being made", readapi.ErrUnavailable, maxPages))
			return
		}
		if err := answer(w, r.WithContext(ctx)); err != nil && r.Context().Err() == nil {
			h.refuse(w, r, err)
		}
	}
}

// layout is what every page has.
type layout struct {
	Title   string
	Active  string // path of the page in the menu
	Version string
	Tenants []string
	Tenant  string // chosen; empty for the only one
	Page    any
}

// tab is an entry of the menu.
type tab struct {
	Href, Text string
	Active     bool
}

func tabOf(l layout, path, text string) tab {
	t := tab{Href: path, Text: text, Active: l.Active == path}
	if l.Tenant != "" {
		t.Href += "?" + withTenant(url.Values{}, l.Tenant)
	}
	return t
}

// render writes a page. It is whole or not at all, so that what goes wrong while
// it is made can be said.
func (h *Handler) render(w http.ResponseWriter, code int, name string, l layout) error {
	l.Version, l.Tenants = h.Version, h.Tenants
	var page bytes.Buffer
	if err := h.templates[name].Execute(&page, l); err != nil {
		return fmt.Errorf("make page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(code)
	_, _ = page.WriteTo(w) // the client has gone
	return nil
}

// problem is a page that says what is wrong.
type problem struct {
	Title string
	What  string
	Hint  []string
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, code := problem{Title: "Something is wrong", What: err.Error()}, http.StatusInternalServerError
	switch {
	case isBad(err):
		p.Title, code = "This cannot be answered", http.StatusBadRequest
	case errors.Is(err, errNoEngine):
		p.Title, code = "Nothing to read from", http.StatusServiceUnavailable
	case errors.Is(err, readapi.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		code = http.StatusServiceUnavailable
		p.Hint = []string{"Try again in a moment."}
	default:
		h.Logger.Error("page cannot be made", "path", r.URL.Path, "err", err)
	}
	if err := h.render(w, code, "problem", layout{Title: p.Title, Page: p}); err != nil {
		h.Logger.Error("page cannot be made", "path", r.URL.Path, "err", err)
		http.Error(w, p.What, code)
	}
}

func isBad(err error) bool {
	var bad *readapi.BadRequest
	var parse *traceql.Error
	return errors.As(err, &bad) || errors.As(err, &parse)
}

func badRequest(format string, args ...any) error {
	return &readapi.BadRequest{Why: fmt.Sprintf(format, args...)}
}

// errNoEngine is said where there is nothing to read from.
var errNoEngine = errors.New("there is no Tempo to read from: set tempo.query_url, " +
	"or leave forwarder.tempo_url out to store spans here")

// tenant is whom a request asks about: the parameter, or what a proxy in front
// says, as with the read API.
func (h *Handler) tenant(r *http.Request) (name string, shown string) {
	if len(h.Tenants) == 0 {
		return readapi.SingleTenant, ""
	}
	name = r.URL.Query().Get("tenant")
	if name == "" {
		name = r.Header.Get("X-Scope-OrgID")
	}
	if name == "" {
		name = h.Tenants[0]
	}
	return name, name
}

// tenantChoices are the tenants to choose from; none where there is only one.
func (h *Handler) tenantChoices(chosen string) (out []choice) {
	for _, name := range h.Tenants {
		out = append(out, choice{Value: name, Text: name, Chosen: name == chosen})
	}
	return out
}
