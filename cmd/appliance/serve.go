package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/pages"
	"appliance/internal/readapi"
	"appliance/internal/red"
	"appliance/internal/spool"
	"appliance/internal/tail"
	"appliance/internal/telemetry"
	"appliance/receiver"
	"appliance/sampler"
)

const (
	inflightDeadline = 20 * time.Second // for requests in flight when stopping
	closeDeadline    = 2 * time.Second  // for connections to close
	ledgerEvery      = time.Second      // how often the ledger is saved
)

func newServeCommand() *cobra.Command {
	return addConfigFlags(&cobra.Command{
		Use:   "serve",
		Short: "Run the appliance",
		Long: `Run the appliance: OTLP/HTTP in on receiver.listen, OTLP/gRPC on receiver.grpc_listen, Tempo's read API on http.listen.
Every span answered 200 is on disk, and stays in the spool until it was read back from a block that survives any crash.
The blocks are in data_dir/blocks, in the format that Tempo reads. With forwarder.tempo_url spans go to that Tempo instead.
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
			a.recent = telemetry.NewRecent(recentBytes)
			a.logger = a.recent.Into(a.logger, conf.Log.Level)
			err = a.serve(cmd.Context(), text)
			if err != nil && !text {
				a.logger.Error("the appliance cannot go on", "err", err)
				return &saidError{err}
			}
			return err
		},
	}, allKeys()...)
}

// appliance is everything that serve ties together.
type appliance struct {
	conf   config.Loaded
	reload func() (config.Loaded, error)
	stderr io.Writer
	logger *slog.Logger
	began  time.Time

	spool    *spool.Spool
	tail     *tail.Line    // nil where tail sampling is off
	tailing  tail.Settings // in force
	sink     *sinkTo       // what the receiver keeps batches in: the spool
	disks    *disks
	ledger   *ledger.Ledger
	unread   bool // which loss was acknowledged could not be read
	sampler  *sampler.Sampler
	pressure pressure
	meter    *red.Meter // nil where metrics.max_series is 0
	usages   sync.Mutex // held while the archive is read for its usage
	receiver *receiver.Receiver
	storage  storage
	reads    *readapi.Handler // nil where there is nothing to read from
	history  *pages.History
	recent   *telemetry.Recent // lines of the log
	archive  archiving
	nomad    nomadTask
	stopping atomic.Bool
}

// serve builds everything, top to bottom, runs it until ctx is done or a part fails, and stops it in this order: not
// ready, refuse intake, finish what is in flight, bring the spool to blocks, close the ports.
func (a *appliance) serve(ctx context.Context, text bool) error {
	a.began = time.Now()
	samplerConf, samplerNotes, err := samplerConfig(a.conf)
	if err != nil {
		return err
	}
	unlock, err := lockDataDir(a.conf.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := markFormat(durable.OS, a.conf.DataDir, version, a.logger); err != nil {
		return err
	}

	if err := a.joinNomad(); err != nil {
		return err
	}
	if a.sampler, err = sampler.New(samplerConf); err != nil {
		return err
	}
	a.pressure.configured, a.pressure.relief = samplerConf, reliefConfig(a.conf)
	if err := a.openSpool(); err != nil {
		return err
	}
	defer a.spool.Close()
	if err := a.openTail(); err != nil {
		return err
	}
	a.sink = &sinkTo{Spool: a.spool}
	a.disks = newDisks(a.conf.DataDir, a.archiveURL(), int64(a.conf.Spool.MaxBytes), a.spool.Held)
	a.openMeter()
	receiverConf := receiverConfig(a.conf)
	receiverConf.Meter = a.meter
	if a.receiver, err = receiver.New(receiverConf, samplerFor{a.sampler}, a.sink, a.logger); err != nil {
		return &config.Error{Where: "receiver", Err: err}
	}
	if err := a.openArchive(ctx); err != nil {
		return err
	}
	if a.archive.store != nil {
		defer a.archive.store.Close()
	}
	if a.storage, err = a.openStorage(ctx); err != nil {
		return err
	}
	defer a.storage.close()
	if a.reads = a.newReads(); a.reads != nil {
		defer a.reads.Close()
	}
	a.history = newHistory()
	admin, err := a.adminServer()
	if err != nil {
		return err
	}

	// Both ports before anything is started, so that a taken one leaves nothing behind.
	doorNotes, err := a.openDoors()
	if err != nil {
		return err
	}
	adminListener, err := net.Listen("tcp", a.conf.HTTP.Listen)
	if err != nil {
		return listenError("http.listen", a.conf.HTTP.Listen, err)
	}

	heap := limitMemory(memoryBound(a.conf), int64(a.conf.Receiver.InflightBytes))
	a.announce(text, a.receiver.Addr(), adminListener.Addr(), heap, slices.Concat(misspelled(), doorNotes, samplerNotes))

	a.disks.warn(a.logger, int64(a.conf.Spool.MaxBytes))

	parts, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx)) // not failed: what is left is stopped in order too
	defer stopBackground()
	stored := make(chan struct{})
	go func() {
		defer close(stored)
		if err := a.storage.run(background); err != nil {
			parts.Go(func() error { return err })
		}
	}()
	parts.Go(func() error { return a.nomad.follow(background) })
	parts.Go(func() error { return a.runArchiver(background) })
	parts.Go(func() error { return a.nomad.alone(background, a.fenced(a.archiving)) })
	parts.Go(func() error { return a.sampler.Run(background) })
	if a.tail != nil {
		parts.Go(func() error { return a.tail.Run(background) })
	}
	parts.Go(func() error { return a.keepLedger(background) })
	parts.Go(func() error { return a.keepCounts(background) })
	parts.Go(func() error { return a.watchConfig(background) })
	parts.Go(func() error { return a.watchSpool(background) })
	parts.Go(func() error { return a.watchConditions(background) })
	parts.Go(func() error { return a.disks.watch(background) })
	parts.Go(func() error { return a.keepHistory(background) })
	parts.Go(func() error { return a.followOrders(background) })
	parts.Go(func() error { return a.receiver.Serve(context.WithoutCancel(ctx)) })
	parts.Go(func() error { return serveAdmin(admin, adminListener) })
	a.logger.Info("ready", "after", time.Since(a.began).Round(time.Millisecond).String())

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
	<-stored
	if err := a.spool.Close(); err != nil {
		a.logger.Error("the spool was not closed in order; nothing acknowledged is lost", "err", err)
	}
	if err := a.ledger.Save(a.counts()); err != nil {
		a.logger.Error("counts of spans that were not kept are not saved", "err", err)
	}
	a.closeMeter()
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

// drain brings what is in the spool to blocks, for as long as the deadline allows.
func (a *appliance) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.conf.Forwarder.DrainDeadline)
	defer cancel()
	began := time.Now()
	if err := a.storage.drain(ctx); err != nil {
		a.logger.Info("some spans stay in the spool; the next start goes on with them", "pending_spans", a.spool.Status().Pending.Spans, "why", err)
		return
	}
	a.logger.Debug("everything in the spool is proven", "took", time.Since(began).Round(time.Millisecond).String())
}

// What a search or a metrics query asks for in time at most, as in Tempo.
const (
	maxSearchRange  = 168 * time.Hour
	maxMetricsRange = 3 * time.Hour
)

// newReads makes the read API; nil where there is nothing to read from.
func (a *appliance) newReads() *readapi.Handler {
	engine := a.storage.reads()
	if engine == nil {
		return nil
	}
	v := currentVersions()
	return readapi.New(readapi.Options{
		Engine: engine, MultiTenant: len(a.conf.Receiver.Tenants) > 0, Logger: a.logger,
		MaxSearchRange: maxSearchRange, MaxMetricsRange: maxMetricsRange,
		Build: readapi.BuildInfo{Version: v.TempoAPI, Revision: v.Commit, Branch: "appliance " + v.Version, GoVersion: v.Go},
	})
}

// ready says whether spans are taken, and if not, why. A Tempo elsewhere that is
// away is no reason: the spool takes them, and whoever is told that we are not
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
	mux.HandleFunc("GET "+statusPath, a.serveStatus)
	mux.HandleFunc("GET "+usagePath, a.serveUsage)
	mux.HandleFunc("GET "+logPath, a.forOperators(a.serveLog))
	mux.HandleFunc("GET "+goroutinesPath, a.forOperators(a.serveGoroutines))
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

// openSpool opens what is kept and the account of it.
func (a *appliance) openSpool() (err error) {
	a.spool, err = spool.Open(filepath.Join(a.conf.DataDir, "spool"), spool.Options{MaxBytes: int64(a.conf.Spool.MaxBytes), Logger: a.logger})
	if err != nil {
		return fmt.Errorf("open the spool: %w", err)
	}
	st := a.spool.Status()
	if a.ledger, err = ledger.Open(durable.OS, ledgerFile(a.conf.DataDir), st); err != nil {
		a.logger.Error("the ledger of earlier runs is damaged", "err", err)
	}
	a.readAcknowledged()
	if l := a.ledger.Balance(ledger.Counts{}, st); l.Damaged+l.Unaccounted > 0 {
		a.logger.Error("spans that were acknowledged are lost", "damaged", l.Damaged, "unaccounted", l.Unaccounted,
			"hint", "appliance spool verify says what is damaged; appliance spool acknowledge-loss ends this alarm")
	}
	return nil
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
