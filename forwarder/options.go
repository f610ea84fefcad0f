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
	// Process tells one run of Tempo from the next: what an earlier one held in
	// memory only is gone. Options.Ask tells more of that. Where neither knows, a
	// connection that breaks counts as an end.
	Process string
}

// Options of a Forwarder. Spool and Target are required.
type Options struct {
	Spool *spool.Spool
	// Target returns an error while there is no Tempo.
	Target func() (Target, error)
	// Ask asks a process of Tempo. Nothing that is sent waits for it. nil where
	// it cannot be asked: then Process tells runs apart, if anything does.
	Ask func(context.Context) (Said, error)
	// Discarded is told of spans that have just left the spool since Tempo
	// discarded them. A crash before it has recorded that makes them count as
	// proven.
	Discarded func(tenant, reason string, spans int)
	// Settle is the time after which what Tempo acknowledged is on its disk, if
	// it has not ended since. 0: 30 s.
	Settle time.Duration
	// TraceIdle is the time after which Tempo has forgotten a trace; 0 for one
	// that tells all traces apart.
	TraceIdle time.Duration
	Logger    *slog.Logger

	// What only tests change:
	timeout  time.Duration // of a request
	inFlight int           // requests of a tenant at once
	// bytes of a request that records share; of larger records one is read and sent at a time
	batch  int
	linger time.Duration // for a request to become larger
	every  time.Duration // how often it is looked what has settled
}

// withDefaults fills in what is rarely set.
func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&o.Settle, 30*time.Second)
	set(&o.timeout, 30*time.Second)
	set(&o.linger, 20*time.Millisecond)
	set(&o.every, time.Second)
	if o.inFlight == 0 {
		o.inFlight = 4
	}
	if o.batch == 0 {
		o.batch = 256 << 10
	}
	if o.Discarded == nil {
		o.Discarded = func(string, string, int) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
