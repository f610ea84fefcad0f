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
	"appliance/internal/blockdir"
	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/query"
	"appliance/internal/spool"
	"appliance/internal/telemetry"
	"appliance/internal/tempo"
	"appliance/receiver"
	"appliance/sampler"
)

const (
	inflightDeadline = 20 * time.Second // for requests in flight when stopping
	tempoDeadline    = 20 * time.Second // for the embedded Tempo to end
	closeDeadline    = 2 * time.Second  // for connections to close
	tempoPatience    = 10 * time.Second // for the first start of the embedded Tempo; then we are ready without it
	ledgerEvery      = time.Second      // how often the ledger is saved
)

func newServeCommand() *cobra.Command {
	return addConfigFlags(&cobra.Command{
		Use:   "serve",
		Short: "Run the appliance",
		Long: `Run the appliance: OTLP/HTTP in on receiver.listen, Tempo's read API on http.listen.
Every span answered 200 is on disk, and stays there until it is found in a block of Tempo's that survives any crash.
Without forwarder.tempo_url it runs its own Tempo with all files below data_dir.
SIGINT or SIGTERM stops it in order; a second one ends it at once. SIGHUP reads the sampler's configuration again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := loadConfig(cmd)
			if err = errors.Join(err, checkServe(conf)); err != nil {
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
	began  time.Time

	spool     *spool.Spool
	sink      *sinkTo // what the receiver keeps batches in: the spool
	disks     *disks
	ledger    *ledger.Ledger
	unread    bool          // which loss was acknowledged could not be read
	blocks    *blockdir.Dir // of the embedded Tempo
	sampler   *sampler.Sampler
	pressure  pressure
	forwarder *forwarder.Forwarder
	receiver  *receiver.Receiver
	tempo     *tempo.Supervisor      // nil with a Tempo elsewhere
	elsewhere atomic.Pointer[string] // which run of a Tempo elsewhere it is, empty where that is not known
	query     *query.Handler         // nil where there is no Tempo to read from
	archive   archiving
	nomad     nomadTask
	stopping  atomic.Bool
	started   atomic.Bool // Tempo has been ready once, or had its time
}

// serve builds everything, top to bottom, runs it until ctx is done or a part fails, and stops it in this order: not
// ready, refuse intake, finish what is in flight, stop Tempo, close the ports.
func (a *appliance) serve(ctx context.Context, text bool) error {
	a.began = time.Now()
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

	if err := a.joinNomad(); err != nil {
		return err
	}
	if a.sampler, err = sampler.New(samplerConf); err != nil {
		return err
	}
	a.pressure.configured, a.pressure.relief = samplerConf, reliefConfig(a.conf)
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
	if err := a.openSpool(); err != nil {
		return err
	}
	defer a.spool.Close()
	a.sink = &sinkTo{Spool: a.spool}
	a.disks = newDisks(a.conf.DataDir, a.archiveURL(), int64(a.conf.Spool.MaxBytes), a.spool.Held)
	if a.forwarder, err = a.newForwarder(settings); err != nil {
		return err
	}
	if a.receiver, err = receiver.New(receiverConfig(a.conf), samplerFor{a.sampler}, a.sink, a.logger); err != nil {
		return &config.Error{Where: "receiver", Err: err}
	}
	if err := a.openArchive(ctx); err != nil {
		return err
	}
	if a.archive.store != nil {
		defer a.archive.store.Close()
	}
	if a.query = a.newQuery(); a.query != nil {
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

	memoryLimit := limitMemory(int64(a.conf.Receiver.InflightBytes))
	a.announce(text, a.receiver.Addr(), adminListener.Addr(), memoryLimit, slices.Concat(config.Misspelled(os.Environ()), samplerNotes, tempoNotes))

	a.disks.warn(a.logger, int64(a.conf.Spool.MaxBytes))

	releaseStartPages()
	parts, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx)) // not failed: what is left is stopped in order too
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
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		if err := a.forwarder.Run(background); err != nil {
			parts.Go(func() error { return err })
		}
	}()
	parts.Go(func() error { return a.nomad.follow(background) })
	parts.Go(func() error { return a.watchTempo(background) })
	parts.Go(func() error { return a.runArchiver(background) })
	parts.Go(func() error { return a.nomad.alone(background, a.fenced(a.archiving)) })
	parts.Go(func() error { return a.sampler.Run(background) })
	parts.Go(func() error { return a.keepLedger(background) })
	parts.Go(func() error { return a.watchConfig(background) })
	parts.Go(func() error { return a.watchSpool(background) })
	parts.Go(func() error { return a.watchConditions(background) })
	parts.Go(func() error { return a.disks.watch(background) })
	parts.Go(func() error { return a.followOrders(background) })
	parts.Go(func() error { return a.receiver.Serve(context.WithoutCancel(ctx)) })
	parts.Go(func() error {
		if err := admin.Serve(adminListener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", adminListener.Addr(), err)
		}
		return nil
	})
	parts.Go(func() error { return a.sayWhenReady(background) })
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
	a.awaitInflight(inflightDeadline)
	a.drain(context.WithoutCancel(ctx))
	stopBackground()
	<-forwarded
	stopTempo()
	<-tempoDone
	if err := a.spool.Close(); err != nil {
		a.logger.Error("the spool was not closed in order; nothing acknowledged is lost", "err", err)
	}
	if err := a.ledger.Save(a.counts()); err != nil {
		a.logger.Error("counts of spans that were not kept are not saved", "err", err)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeDeadline)
	defer cancel()
	if err := a.receiver.Shutdown(closing); err != nil {
		a.logger.Warn("some requests were not finished; their clients send them again", "err", err)
	}
	if err := admin.Shutdown(closing); err != nil {
		admin.Close()
	}
	err = parts.Wait()
	a.logger.Info("stopped", "ran", time.Since(a.began).Round(time.Millisecond).String())
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

// drain brings what is in the spool to Tempo's blocks, for as long as the deadline allows.
func (a *appliance) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.conf.Forwarder.DrainDeadline)
	defer cancel()
	began := time.Now()
	if err := a.forwarder.Drain(ctx); err != nil {
		a.logger.Info("some spans stay in the spool; the next start goes on with them", "pending_spans", a.spool.Status().Pending.Spans, "why", err)
		return
	}
	a.logger.Debug("everything in the spool is proven", "took", time.Since(began).Round(time.Millisecond).String())
}

// tracesAtOnce is how many whole traces the embedded Tempo reads at the same time: two, in a flood, took it beyond what the
// tutorial's 450 MB leave it.
const tracesAtOnce = 1

// newQuery makes the read API over Tempo and the archive; nil where there is neither.
func (a *appliance) newQuery() *query.Handler {
	o := query.Options{Backend: a.backend, MultiTenant: len(a.conf.Receiver.Tenants) > 0, Logger: a.logger}
	if reader := a.archiveReader(); reader != nil {
		o.Archive = reader
		v := currentVersions()
		o.Build = query.BuildInfo{Version: v.Tempo, Revision: v.TempoCommit, Branch: "embedded in appliance", GoVersion: v.Go}
	}
	switch {
	case a.tempo != nil:
		o.Held, o.TracesAtOnce = a.heldByTempo, tracesAtOnce
	case a.conf.Tempo.QueryURL == "" && o.Archive == nil:
		return nil
	}
	return query.New(o)
}

// backend says where queries go.
func (a *appliance) backend() (query.Backend, error) {
	u, grpc, err := a.readURL()
	if err != nil {
		return query.Backend{}, err
	}
	return query.Backend{HTTP: u, GRPC: grpc, TLS: u.Scheme == "https"}, nil
}

// ready says whether spans are taken, and if not, why. A Tempo that is away later is no reason: the spool takes them, and
// whoever is told that we are not ready would lose the way to it.
func (a *appliance) ready() error {
	switch {
	case a.stopping.Load():
		return errors.New("stopping")
	case !a.started.Load():
		_, err := a.readyTempo()
		return err
	}
	if refused := a.sink.refusing.now.Load(); refused != nil {
		return refused
	}
	return nil
}

func (a *appliance) sayWhenReady(ctx context.Context) error {
	if a.tempo != nil {
		patience, cancel := context.WithTimeout(ctx, tempoPatience)
		defer cancel()
		if _, err := a.tempo.WaitReady(patience); err != nil {
			if ctx.Err() != nil {
				return nil // stopped before
			}
			a.logger.Warn("tempo is not ready yet; spans are taken and kept meanwhile", "waited", tempoPatience.String())
		}
	}
	a.started.Store(true)
	a.logger.Info("ready", "after", time.Since(a.began).Round(time.Millisecond).String())
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
	mux.HandleFunc("GET "+statusPath, a.serveStatus)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, statusPage(a.status()))
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
