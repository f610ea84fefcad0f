package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"appliance/forwarder"
	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/query"
	"appliance/internal/telemetry"
	"appliance/internal/tempo"
	"appliance/receiver"
	"appliance/sampler"
)

const (
	drainDeadline   = 20 * time.Second // for requests in flight when stopping
	tempoDeadline   = 20 * time.Second // for the embedded Tempo to write its blocks
	closeDeadline   = 2 * time.Second  // for connections to close
	forwardInFlight = 2                // requests to Tempo at once; what waits meanwhile shares the next
	forwardBytes    = 4 << 20          // of the batches that share a request
	forwardTimeout  = 5 * time.Second  // with the next, below the 10 s after which OTLP clients give up
	forwardPatience = 4 * time.Second
)

func newServeCommand() *cobra.Command {
	return addConfigFlags(&cobra.Command{
		Use:   "serve",
		Short: "Run the appliance",
		Long: `Run the appliance: OTLP/HTTP in on receiver.listen, Tempo's read API on http.listen.
Without forwarder.tempo_url it runs its own Tempo with all files below data_dir.
SIGINT or SIGTERM stops it in order; a second one ends it at once. SIGHUP reads the sampler's configuration again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			a := &appliance{conf: conf, reload: func() (config.Loaded, error) { return loadConfig(cmd) }, stderr: cmd.ErrOrStderr()}
			var text bool
			a.logger, text = telemetry.NewLogger(a.stderr, conf.Log.Level, conf.Log.Format)
			err = a.serve(cmd.Context(), text)
			if err != nil && !text {
				a.logger.Error("the appliance cannot go on", "err", err)
				return &saidError{err}
			}
			return err
		},
	})
}

// appliance is everything that serve ties together.
type appliance struct {
	conf   config.Loaded
	reload func() (config.Loaded, error)
	stderr io.Writer
	logger *slog.Logger

	sampler   *sampler.Sampler
	forwarder *forwarder.Direct
	receiver  *receiver.Receiver
	tempo     *tempo.Supervisor // nil with a Tempo elsewhere
	query     *query.Handler    // nil where there is no Tempo to read from
	stopping  atomic.Bool
}

// serve builds everything, top to bottom, runs it until ctx is done or a part fails, and stops it in this order: not
// ready, refuse intake, finish what is in flight, stop Tempo, close the ports.
func (a *appliance) serve(ctx context.Context, text bool) error {
	began := time.Now()
	samplerConf, samplerNotes, err := samplerConfig(a.conf)
	if err != nil {
		return err
	}
	settings, tempoNotes, err := tempoSettings(a.conf)
	if err != nil {
		return err
	}
	unlock, err := lockDataDir(a.conf.DataDir)
	if err != nil {
		return err
	}
	defer unlock()

	if a.sampler, err = sampler.New(samplerConf); err != nil {
		return err
	}
	embedded := a.conf.Forwarder.TempoURL == ""
	if embedded {
		exe, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find our own executable, to run Tempo from it: %w", err)
		}
		a.tempo = tempo.NewSupervisor(tempo.Options{
			Command: []string{exe, "tempo"}, Settings: settings, MemoryLimit: int64(a.conf.Tempo.MemoryLimit),
			StopWithin: tempoDeadline, Logger: a.logger,
		})
	}
	endpoint, err := a.endpoint()
	if err != nil {
		return err
	}
	a.forwarder = forwarder.NewDirect(forwarder.Options{Endpoint: endpoint, InFlight: forwardInFlight, MaxBytes: forwardBytes, Timeout: forwardTimeout, Patience: forwardPatience})
	defer a.forwarder.Close()
	if a.receiver, err = receiver.New(receiverConfig(a.conf), samplerFor{a.sampler}, sinkTo{a.forwarder}, a.logger); err != nil {
		return err
	}
	if embedded || a.conf.Tempo.QueryURL != "" {
		a.query = query.New(query.Options{Backend: a.backend, Logger: a.logger})
		defer a.query.Close()
	}
	admin, err := a.adminServer()
	if err != nil {
		return err
	}

	// Both ports before anything is started, so that a taken one leaves nothing behind.
	if err := a.receiver.Listen(); err != nil {
		return listenError("receiver.listen", a.conf.Receiver.Listen, err)
	}
	adminListener, err := net.Listen("tcp", a.conf.HTTP.Listen)
	if err != nil {
		return listenError("http.listen", a.conf.HTTP.Listen, err)
	}

	a.announce(text, a.receiver.Addr(), adminListener.Addr(), slices.Concat(config.Misspelled(os.Environ()), samplerNotes, tempoNotes))

	limitMemory(int64(a.conf.Receiver.InflightBytes))
	releaseStartPages()
	parts, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	background, stopBackground := context.WithCancel(failed)
	defer stopBackground()
	tempoCtx, stopTempo := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTempo()
	tempoDone := make(chan struct{})
	go func() {
		defer close(tempoDone)
		if a.tempo == nil {
			return
		}
		if err := a.tempo.Run(tempoCtx); err != nil {
			parts.Go(func() error { return err })
		}
	}()
	parts.Go(func() error { return a.sampler.Run(background) })
	parts.Go(func() error { return a.watchConfig(background) })
	parts.Go(func() error { return a.receiver.Serve(context.WithoutCancel(ctx)) })
	parts.Go(func() error {
		if err := admin.Serve(adminListener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", adminListener.Addr(), err)
		}
		return nil
	})
	parts.Go(func() error { return a.sayWhenReady(background, began) })
	parts.Go(func() error { return keepPagesFew(background) })

	select {
	case <-ctx.Done():
		a.logger.Info("stopping; a second signal ends at once")
	case <-failed.Done():
		a.logger.Error("stopping, since a part of the appliance failed", "err", context.Cause(failed))
	}
	// The port answers 503 until all else has stopped: clients try again after a 503, and never after a refused
	// connection.
	a.stopping.Store(true)
	a.receiver.Drain()
	a.awaitInflight(drainDeadline)
	stopBackground()
	stopTempo()
	<-tempoDone
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeDeadline)
	defer cancel()
	if err := a.receiver.Shutdown(closing); err != nil {
		a.logger.Warn("some requests were not finished; their clients send them again", "err", err)
	}
	if err := admin.Shutdown(closing); err != nil {
		admin.Close()
	}
	err = parts.Wait()
	a.logger.Info("stopped", "ran", time.Since(began).Round(time.Millisecond).String())
	return err
}

// awaitInflight waits until every request that was taken before the drain is answered, or for the deadline.
func (a *appliance) awaitInflight(deadline time.Duration) {
	over := time.After(deadline)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for a.receiver.Stats().InflightRequests > 0 {
		select {
		case <-over:
			a.logger.Warn("requests are still in flight at the deadline; their clients send them again", "deadline", deadline.String())
			return
		case <-tick.C:
		}
	}
}

// endpoint says where batches go: a Tempo elsewhere, or the embedded one on the port that it has now.
func (a *appliance) endpoint() (func() (string, error), error) {
	if a.tempo == nil {
		to, err := forwarder.TracesURL(a.conf.Forwarder.TempoURL)
		return func() (string, error) { return to, nil }, err
	}
	return func() (string, error) {
		state, err := a.readyTempo()
		return state.OTLP() + "/v1/traces", err
	}, nil
}

// backend says where queries go.
func (a *appliance) backend() (query.Backend, error) {
	if a.tempo == nil {
		u, err := url.Parse(a.conf.Tempo.QueryURL)
		if err != nil {
			return query.Backend{}, err
		}
		return query.Backend{HTTP: u, GRPC: hostPort(u), TLS: u.Scheme == "https"}, nil
	}
	state, err := a.readyTempo()
	if err != nil {
		return query.Backend{}, err
	}
	u, err := url.Parse(state.HTTP())
	return query.Backend{HTTP: u, GRPC: state.GRPC()}, err
}

func (a *appliance) readyTempo() (tempo.State, error) {
	state := a.tempo.State()
	switch {
	case state.Ready:
		return state, nil
	case state.PID == 0 && state.Err != nil:
		return state, fmt.Errorf("the embedded Tempo ended (%w) and is started again", state.Err)
	}
	return state, errors.New("the embedded Tempo is starting")
}

// ready says whether a trace can be written and read, and if not, why.
func (a *appliance) ready() error {
	if a.stopping.Load() {
		return errors.New("stopping")
	}
	if a.tempo != nil {
		_, err := a.readyTempo()
		return err
	}
	return nil
}

func (a *appliance) sayWhenReady(ctx context.Context, began time.Time) error {
	if a.tempo != nil {
		if _, err := a.tempo.WaitReady(ctx); err != nil {
			return nil // stopped before
		}
	}
	a.logger.Info("ready", "after", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// adminServer is http.listen: the read API, readiness and metrics. It speaks HTTP/1.1 and, without TLS, HTTP/2, which
// Grafana needs for gRPC.
func (a *appliance) adminServer() (*http.Server, error) {
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
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "appliance "+version+"\n\n/api/...   Tempo's read API: the URL of a Tempo data source in Grafana is this one\n/ready     is a trace taken and returned now?\n/healthz   is the process alive?\n/metrics   for Prometheus\n")
	})
	if a.query != nil {
		mux.Handle("/api/", a.query)
		mux.Handle("/tempopb.StreamingQuerier/", a.query)
	} else {
		mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "there is no Tempo to read from: set tempo.query_url, or leave forwarder.tempo_url out to run the embedded one", http.StatusNotImplemented)
		})
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: mux, Protocols: protocols,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
	}, nil
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "https" {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

func tempoDir(conf config.Loaded) string {
	dir := filepath.Join(conf.DataDir, "tempo")
	if abs, err := filepath.Abs(dir); err == nil {
		return abs // Tempo's child may stand elsewhere one day
	}
	return dir
}

// lockDataDir makes the data directory and takes it for this process.
func lockDataDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make data_dir: %w; set data_dir to a directory that user %d may write", err, os.Getuid())
	}
	lock, err := durable.LockDir(dir)
	var held *durable.HeldError
	switch {
	case errors.As(err, &held) && held.PID != 0:
		return nil, fmt.Errorf("process %d uses data_dir %s already; stop it, or set another data_dir", held.PID, dir)
	case errors.As(err, &held):
		return nil, fmt.Errorf("another process uses data_dir %s already; stop it, or set another data_dir", dir)
	case err != nil:
		return nil, fmt.Errorf("%w; set data_dir to a directory that user %d may write", err, os.Getuid())
	}
	return func() { _ = lock.Unlock() }, nil
}

func listenError(key, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s %s is taken by another process; stop that, or set %s to another address", key, address, key)
	}
	return fmt.Errorf("%s: %w", key, err)
}

func receiverConfig(conf config.Loaded) receiver.Config {
	r := conf.Receiver
	return receiver.Config{
		Listen:                  r.Listen,
		MaxBodyBytes:            int(r.MaxBodyBytes),
		InflightBytes:           int(r.InflightBytes),
		ReadHeaderTimeout:       r.ReadHeaderTimeout,
		ReadTimeout:             r.ReadTimeout,
		IdleTimeout:             r.IdleTimeout,
		TLS:                     receiver.TLS{CertFile: r.TLS.CertFile, KeyFile: r.TLS.KeyFile, ClientCAFile: r.TLS.ClientCAFile},
		Auth:                    receiver.Auth{BearerTokenFile: r.Auth.BearerTokenFile},
		Tenants:                 r.Tenants,
		ClientRequestsPerSecond: r.ClientRequestsPerSecond,
	}
}
