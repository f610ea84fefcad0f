package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"appliance/cmd/appliance/status"
	"appliance/internal/access"
	"appliance/internal/config"
	"appliance/internal/readapi"
	"appliance/internal/telemetry"
)

// What a search or a metrics query asks for in time at most, as in Tempo.
const (
	maxSearchRange  = 168 * time.Hour
	maxMetricsRange = 3 * time.Hour
)

// openReads makes the read API, where there is something to read from.
func (a *appliance) openReads(context.Context) error {
	engine := a.storage.reads()
	if engine == nil {
		return nil
	}
	v := a.versions
	a.reads = readapi.New(readapi.Options{
		Engine: engine, MultiTenant: len(a.conf.Receiver.Tenants) > 0, Logger: a.logger,
		MaxSearchRange: maxSearchRange, MaxMetricsRange: maxMetricsRange,
		Build: readapi.BuildInfo{Version: v.TempoAPI, Revision: v.Commit, Branch: "appliance " + v.Version, GoVersion: v.Go},
	})
	a.atEnd(a.reads.Close)
	return nil
}

// tlsReload is how often the files of http.tls are looked at.
const tlsReload = 5 * time.Second

// openAdmin makes the server of http.listen: the pages, the read API, readiness
// and metrics. It speaks HTTP/1.1 and HTTP/2, which Grafana needs for gRPC, also
// without TLS.
func (a *appliance) openAdmin(context.Context) error {
	a.history = newHistory()
	mux, err := a.adminMux()
	if err != nil {
		return err
	}
	kept := func(err error) {
		a.badFiles.Add(1)
		a.logger.Error("the certificate or the secrets of http.listen cannot be read again; keeping what was last read", "err", err)
	}
	guard, err := access.NewGuard(readAuth(a.conf), kept)
	if err != nil {
		return &config.Error{Where: "http.auth", Err: err}
	}
	outOfDate := func(err error) { a.logger.Warn("the certificate of http.listen is out of date", "err", err) }
	secured, err := readTLS(a.conf).Config(tlsReload, kept, outOfDate)
	if err != nil {
		return &config.Error{Where: "http.tls", Err: err}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	a.admin = &http.Server{
		Handler: quietly(guard.Wrap(mux)), Protocols: protocols, TLSConfig: secured,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
	}
	return nil
}

// adminMetrics are those of http.listen itself.
func (a *appliance) adminMetrics() []telemetry.Metric {
	return []telemetry.Metric{{
		Name: "appliance_http_reload_failures_total", Help: "Changed token, user or TLS files of http.listen that could not be used.",
		Read: func(e func(float64, ...string)) { e(float64(a.badFiles.Load())) },
	}}
}

// adminMux is what http.listen serves.
func (a *appliance) adminMux() (*http.ServeMux, error) {
	metrics, err := telemetry.NewMetrics(a.metrics())
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := a.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("GET "+status.Path, a.serveStatus)
	mux.HandleFunc("GET "+UsagePath, a.serveUsage)
	mux.HandleFunc("GET "+LogPath, a.forOperators(a.serveLog))
	mux.HandleFunc("GET "+GoroutinesPath, a.forOperators(a.serveGoroutines))
	seen, err := a.newPages()
	if err != nil {
		return nil, err
	}
	for _, page := range []string{"/{$}", "/trace/", "/services", "/status", "/pages/"} {
		mux.Handle("GET "+page, seen)
	}
	if a.reads != nil {
		mux.Handle("/api/", a.reads)
		mux.Handle("/tempopb.StreamingQuerier/", a.reads)
	} else {
		mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "there is no Tempo to read from: set tempo.query_url, or leave forwarder.tempo_url out to store spans here", http.StatusNotImplemented)
		})
	}
	return mux, nil
}

// ready says whether spans are taken, and if not, why. A Tempo elsewhere that is
// away is not a reason: the spool takes them, and whoever is told that we are not
// ready would lose the way to it.
func (a *appliance) ready() error {
	if a.stopping.Load() {
		return errors.New("stopping")
	}
	if refused := a.sink.refusing.now.Load(); refused != nil {
		return refused
	}
	return nil
}

// serveAdmin serves until the server is shut down.
func serveAdmin(server *http.Server, l net.Listener) error {
	serve := server.Serve
	if server.TLSConfig != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// quietly lets no browser take an answer for what it is not, or show it to the
// pages of others.
func quietly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
