package serve

import (
	"context"
	"errors"
	"net/url"
	"time"

	"appliance/archive"
	"appliance/cmd/appliance/status"
	"appliance/forwarder"
	"appliance/internal/config"
	"appliance/internal/querier"
	"appliance/internal/readapi"
	"appliance/internal/spool"
	"appliance/internal/telemetry"
	"appliance/internal/tempo"
)

// sourceRetry is how often the storage of a Tempo elsewhere is tried.
const sourceRetry = 30 * time.Second

// elsewhere brings spans to a Tempo elsewhere, at the pace that this one takes,
// and reads from it.
type elsewhere struct {
	a         *appliance
	forwarder *forwarder.Forwarder
	away      tempoAway
	engine    *tempo.Engine    // nil without tempo.query_url
	querier   *querier.Querier // of the archive; nil where there is none
}

func (a *appliance) openElsewhere() (storage, error) {
	to, err := forwarder.TracesURL(a.conf.Forwarder.TempoURL)
	if err != nil {
		return nil, err
	}
	e := &elsewhere{a: a}
	o := forwarder.Options{
		Spool: a.spool, Discarded: a.ledger.Discard, Logger: a.logger,
		Settle: a.conf.Forwarder.Settle, TraceIdle: a.conf.Forwarder.TraceIdle,
		Target: func() (forwarder.Target, error) {
			at, run, err := a.nomad.locate(to)
			return forwarder.Target{URL: at, Process: run}, err
		},
	}
	if base := a.conf.Tempo.QueryURL; base != "" {
		o.Ask = func(ctx context.Context) (forwarder.Said, error) {
			at, _, err := a.nomad.locate(base)
			if err != nil {
				return forwarder.Said{}, err
			}
			process, err := tempo.Ask(ctx, at)
			return forwarder.Said(process), err
		}
		e.engine = tempo.NewEngine(func() (*url.URL, error) {
			at, _, err := a.nomad.locate(base)
			if err != nil {
				return nil, err
			}
			return url.Parse(at)
		})
	}
	if archived := a.archive.reader(); archived != nil {
		e.querier = querier.New(querier.Options{
			Archive: archived, Logger: a.logger, Memory: queryMemory(memoryBound(a.conf)),
			TraceMemory: traceMemory(memoryBound(a.conf)),
		})
	}
	e.forwarder = forwarder.New(o)
	if a.archive.store != nil {
		a.notArchiving()
	}
	return e, nil
}

func (e *elsewhere) title() string { return "elsewhere" }

func (e *elsewhere) run(ctx context.Context) error { return e.forwarder.Run(ctx) }

func (e *elsewhere) drain(ctx context.Context) error { return e.forwarder.Drain(ctx) }

func (e *elsewhere) reads() readapi.Engine {
	switch {
	case e.engine == nil && e.querier == nil:
		return nil
	case e.engine == nil:
		return e.querier
	case e.querier == nil:
		return e.engine
	}
	return tempo.Both(e.engine, e.querier)
}

func (e *elsewhere) archives(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// archivesAlone archives Tempo's storage, and prunes the archive.
func (e *elsewhere) archivesAlone(ctx context.Context) error {
	a := e.a
	if a.conf.Archive.Source == "" {
		return a.pruneArchive(ctx, nil)
	}
	unopened := sourceUnopened
	a.archive.idle.Store(&unopened)
	defer a.notArchiving() // what the archiver knows would age, while another replica archives
	archiver := e.awaitArchiver(ctx)
	if archiver == nil {
		return nil
	}
	a.archive.idle.Store(nil)
	// Nothing is pruned before the source is known: what it still has is spared.
	done := make(chan error, 1)
	go func() { done <- a.pruneArchive(ctx, archiver.Source()) }()
	return errors.Join(archiver.Run(ctx), <-done)
}

// awaitArchiver opens Tempo's storage, as soon as it answers. Nil: ctx ended
// before.
func (e *elsewhere) awaitArchiver(ctx context.Context) *archive.Archiver {
	a := e.a
	for a.archive.archiver.Load() == nil {
		query, _, err := a.nomad.locate(a.conf.Tempo.QueryURL)
		if err == nil {
			err = a.openArchiver(ctx, a.conf.Archive.Source, archive.Options{TempoURL: query})
		}
		if err == nil {
			break
		}
		text := err.Error()
		if last := a.archive.idle.Swap(&text); last == nil || *last != text {
			a.logger.Error("nothing is archived, since the storage of Tempo cannot be read; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sourceRetry):
		}
	}
	return a.archive.archiver.Load()
}

func (e *elsewhere) status(s *status.Status) {
	s.Tempo = status.Tempo{Where: "elsewhere", URL: config.Redact(e.a.conf.Forwarder.TempoURL), Ready: !e.away.isAway()}
	s.Forwarder = &status.Forwarder{Proof: "settled", Stats: e.forwarder.Stats()}
}

func (e *elsewhere) look() {
	switch e.away.changed(e.forwarder.Stats(), time.Now()) {
	case wentAway:
		e.a.logger.Error("tempo does not take spans; they stay in the spool and are sent again", "since", e.away.since, "err", e.away.err)
	case cameBack:
		e.a.logger.Info("tempo takes spans again")
	}
}

func (e *elsewhere) retryStuck(context.Context) { e.forwarder.RetryStuck() }

func (e *elsewhere) dropStuck(ids []spool.StuckID) (int, error) { return e.forwarder.DropStuck(ids) }

func (e *elsewhere) close() error {
	if e.querier != nil {
		e.querier.Close()
	}
	if e.engine != nil {
		return e.engine.Close()
	}
	return nil
}

func (e *elsewhere) metrics() []telemetry.Metric {
	number := func(name, help string, read func(forwarder.Stats) float64) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Read: func(emit func(float64, ...string)) { emit(read(e.forwarder.Stats())) }}
	}
	return []telemetry.Metric{
		number("appliance_forwarder_requests_total", "Requests sent to Tempo.", func(s forwarder.Stats) float64 { return float64(s.Requests) }),
		number("appliance_forwarder_failures_total", "Requests that Tempo did not acknowledge, and other errors on the way to it.", func(s forwarder.Stats) float64 { return float64(s.Failures) }),
		number("appliance_forwarder_acked_spans_total", "Spans that Tempo acknowledged, the first time or again.", func(s forwarder.Stats) float64 { return float64(s.AckedSpans) }),
		number("appliance_forwarder_acked_bytes_total", "Bytes of OTLP that Tempo acknowledged.", func(s forwarder.Stats) float64 { return float64(s.AckedBytes) }),
		number("appliance_forwarder_unproven_spans", "Spans that Tempo acknowledged and that it has not had the time to write yet.", func(s forwarder.Stats) float64 { return float64(s.UnprovenSpans) }),
		number("appliance_forwarder_inflight_requests", "Requests to Tempo in flight.", func(s forwarder.Stats) float64 { return float64(s.InFlight) }),
		number("appliance_forwarder_inflight_limit", "Requests to Tempo that may be in flight now; it follows what Tempo can take.", func(s forwarder.Stats) float64 { return s.Limit }),
		{
			Name: "appliance_forwarder_resent_spans_total", Labels: []string{"reason"},
			Help: "Spans sent to Tempo again, by reason. Readers see a span that is stored twice as one, unless both copies are in one block.",
			Read: func(emit func(float64, ...string)) {
				for reason, n := range e.forwarder.Stats().Resent {
					emit(float64(n), reason)
				}
			},
		},
	}
}
