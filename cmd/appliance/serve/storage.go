package serve

import (
	"context"

	"appliance/cmd/appliance/status"
	"appliance/internal/config"
	"appliance/internal/readapi"
	"appliance/internal/spool"
	"appliance/internal/telemetry"
)

// storage is where spans go from the spool, and what answers questions about
// them: the store in this process (embedded.go), or a Tempo elsewhere
// (elsewhere.go). Nothing else in serve asks which of the two it is.
type storage interface {
	// title is what a person is told of it at the start.
	title() string
	// run brings there what is in the spool, until ctx is done.
	run(ctx context.Context) error
	// drain returns once nothing is left in the spool that can leave it, or ctx
	// is done.
	drain(ctx context.Context) error
	// reads is what the read API asks; nil where there is nothing to read from.
	reads() readapi.Engine
	// archives is what every replica does for the archive until ctx is done, and
	// archivesAlone what only one of them does at a time. They are called where
	// there is an archive.
	archives(ctx context.Context) error
	archivesAlone(ctx context.Context) error
	// status fills in its part.
	status(*status.Status)
	metrics() []telemetry.Metric
	// look says what has changed since it was last called that an operator wants
	// to know of.
	look()
	// retryStuck tries again what is set aside, and dropStuck gives it up.
	retryStuck(ctx context.Context)
	dropStuck(ids []spool.StuckID) (spans int, err error)
	close() error
}

// openStorage opens the one that the configuration names.
func (a *appliance) openStorage(ctx context.Context) (err error) {
	if IsEmbedded(a.conf) {
		a.storage, err = a.openEmbedded(ctx)
	} else {
		a.storage, err = a.openElsewhere()
	}
	if err != nil {
		return err
	}
	a.atEnd(func() {
		if err := a.storage.close(); err != nil {
			a.logger.Warn("the storage was not closed in order", "err", err)
		}
	})
	return nil
}

// IsEmbedded says that spans are stored by this process.
func IsEmbedded(conf config.Loaded) bool { return conf.Forwarder.TempoURL == "" }
