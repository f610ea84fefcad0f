package serve

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"appliance/internal/config"
	"appliance/internal/ledger"
	"appliance/internal/pages"
	"appliance/internal/readapi"
	"appliance/internal/red"
	"appliance/internal/remotewrite"
	"appliance/internal/spool"
	"appliance/internal/tail"
	"appliance/internal/telemetry"
	"appliance/receiver"
	"appliance/sampler"
)

// Options are what a process is made of. All but Greeting are needed.
type Options struct {
	Config config.Loaded
	// Reload reads the configuration again: on SIGHUP, and when the file changes.
	Reload   func() (config.Loaded, error)
	Versions Versions
	Logger   *slog.Logger
	// Greeting gets what a person is told at the start. nil: it is a log line.
	Greeting io.Writer
	// Notes are what a person should know of the configuration.
	Notes []string
}

// Versions are what this binary is, and what it speaks.
type Versions struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	TempoAPI string `json:"tempo_api"` // whose read API and TraceQL are answered
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// appliance is everything that the process ties together.
type appliance struct {
	conf     config.Loaded
	reload   func() (config.Loaded, error)
	versions Versions
	greeting io.Writer
	notes    []string
	logger   *slog.Logger
	recent   *telemetry.Recent // lines of the log
	began    time.Time

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
	remote   *remotewrite.Sender // nil where metrics.remote_write.url is not set
	archive  archiving
	nomad    nomadTask
	admin    *http.Server  // http.listen
	door     net.Listener  // its port
	badFiles atomic.Uint64 // changed files of http.listen that were of no use
	stopping atomic.Bool

	closers []func() // of what build opened, in its order
}

// Run is the whole life of the process. It returns once everything has stopped:
// after ctx ended, with nil unless a part failed; or after a part failed, with
// its error. Nothing that was acknowledged is lost by any of that.
func Run(ctx context.Context, o Options) error {
	a := &appliance{
		conf: o.Config, reload: o.Reload, versions: o.Versions, greeting: o.Greeting, notes: o.Notes,
		recent: telemetry.NewRecent(recentBytes), began: time.Now(),
	}
	a.logger = a.recent.Into(o.Logger, a.conf.Log.Level)
	defer a.close()
	if err := a.build(ctx); err != nil {
		return err
	}
	// The end of ctx only begins the stop. What runs is ended in order.
	lasting := context.WithoutCancel(ctx)
	r := a.run(lasting)
	select {
	case <-ctx.Done():
		a.logger.Info("stopping; a second signal ends at once")
	case <-r.failed.Done():
		a.logger.Error("stopping, since a part of the appliance failed", "err", context.Cause(r.failed))
	}
	return a.stop(lasting, r)
}
