package forwarder

import (
	"context"
	"log/slog"
	"time"

	"appliance/internal/spool"
)

// Target is where spans go now.
type Target struct {
	URL string
	// Process tells one run of Tempo from the next: what an earlier one held in memory only is gone. Empty where
	// that cannot be known; then a connection that breaks counts as an end.
	Process string
}

// Block is a block of Tempo's that will survive any crash.
type Block interface {
	// Covers says whether the block can hold what was acknowledged for a tenant at a time.
	Covers(tenant string, acknowledged time.Time) bool
	// Spans calls visit for each span in it until visit returns false.
	Spans(visit func(traceID, spanID []byte, kind int64) bool) error
}

// Options of a Forwarder.
type Options struct {
	Spool *spool.Spool
	// Target returns an error while there is no Tempo.
	Target func() (Target, error)
	// Blocks returns the blocks that became durable since the last call, each once. At the first call those that may
	// hold what is in the spool already. nil where Tempo's blocks cannot be read.
	Blocks func(context.Context) ([]Block, error)
	// Flush asks Tempo to write what it holds to a block soon. It is called by Drain only, and only once nothing was
	// acknowledged for the time Quiet. nil where it cannot be asked.
	Flush func(context.Context) error
	Quiet time.Duration
	// Discards returns how many spans of a tenant Tempo says it has discarded since it started, by reason. nil where it
	// cannot be asked.
	Discards func(ctx context.Context, tenant string) (map[string]int64, error)
	// Discarded is told of spans that have just left the spool since Tempo discarded them. A crash before it has recorded
	// that makes them count as proven.
	Discarded func(tenant, reason string, spans int)
	// Busy says that Tempo needs a pause, such as for its memory. nil: never.
	Busy func() bool
	// BytesPerSecond is what Tempo can digest, and Window how many bytes it may hold that are not proven. 0: no limit.
	BytesPerSecond int64
	Window         int64

	ResendAfter time.Duration // after the acknowledgement, for what is in no block
	Settle      time.Duration // without Blocks: after it what was acknowledged is on Tempo's disk
	TraceIdle   time.Duration // after it Tempo has forgotten a trace; 0 for one that tells all traces apart
	Timeout     time.Duration // of a request
	MaxInFlight int           // requests at once
	BatchBytes  int           // of a request that records share; of larger records one is read and sent at a time
	Linger      time.Duration // for a request to become larger
	ProveEvery  time.Duration // how often Blocks is asked
	Logger      *slog.Logger
}

// withDefaults fills in what tests and callers rarely set.
func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&o.ResendAfter, 6*time.Minute)
	set(&o.Settle, 30*time.Second)
	set(&o.Timeout, 30*time.Second)
	set(&o.Linger, 20*time.Millisecond)
	set(&o.ProveEvery, time.Second)
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 4
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = 256 << 10
	}
	if o.Busy == nil {
		o.Busy = func() bool { return false }
	}
	if o.Discarded == nil {
		o.Discarded = func(string, string, int) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
