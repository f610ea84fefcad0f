package serve

import (
	"context"
	"errors"
	"slices"
	"time"

	"appliance/archive"
	"appliance/cmd/appliance/status"
	"appliance/internal/blockstore"
	"appliance/internal/durable"
	"appliance/internal/querier"
	"appliance/internal/readapi"
	"appliance/internal/spool"
	"appliance/internal/telemetry"
)

// embeddedInterval is how often the archiver looks at the store. Nothing is lost
// by a longer one.
const embeddedInterval = 10 * time.Second

// embedded stores spans in this process.
type embedded struct {
	a       *appliance
	store   *blockstore.Store
	querier *querier.Querier
}

func (a *appliance) openEmbedded(ctx context.Context) (storage, error) {
	began := time.Now()
	if err := blockstore.Adopt(ctx, durable.OS, TempoDir(a.conf), BlocksDir(a.conf), a.logger); err != nil {
		return nil, err
	}
	o := blockstore.Options{
		Dir: BlocksDir(a.conf), Spool: a.spool, Logger: a.logger,
		Alone:    isTight(memoryBound(a.conf)),
		CutAfter: a.conf.Blocks.MaxWait, MergeAfter: a.conf.Blocks.MergeAfter, MergedBytes: int64(a.conf.Blocks.MaxBytes),
	}
	if !a.conf.Archive.Enabled {
		o.Retention = a.conf.Retention
	}
	pending := a.spool.Status().Pending.Spans
	store, err := blockstore.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if s := store.Status(); pending > 0 || s.Unreadable > 0 {
		a.logger.Info("went on from the last run", "pending_spans", pending, "blocks", s.Blocks, "unreadable", s.Unreadable,
			"took", time.Since(began).Round(time.Millisecond).String())
	}
	e := &embedded{a: a, store: store}
	if err := e.openArchiver(ctx); err != nil {
		return nil, err
	}
	e.querier = querier.New(querier.Options{
		Store: store, Archive: a.archive.reader(), Logger: a.logger, Memory: queryMemory(memoryBound(a.conf)),
		TraceMemory: traceMemory(memoryBound(a.conf)),
	})
	return e, nil
}

// openArchiver lets the archive's blocks come from the store, and those that are
// in both go from there by age.
func (e *embedded) openArchiver(ctx context.Context) error {
	a := e.a
	if a.archive.store == nil {
		return nil
	}
	if _, err := instanceID(durable.OS, a.conf.DataDir); err != nil {
		return err
	}
	return a.openArchiver(ctx, BlocksDir(a.conf), archive.Options{
		Embedded: &archive.Embedded{
			Retention: a.conf.Retention,
			Delete:    e.store.Delete,
			Final:     func(tenant, id string) bool { return e.store.Final(tenant, id, a.conf.Archive.Delay) },
		},
		Origin: EmbeddedOrigin(a.conf.DataDir), Interval: embeddedInterval,
	})
}

func (e *embedded) title() string { return "embedded" }

func (e *embedded) run(ctx context.Context) error {
	e.retryStuck(ctx)
	return e.store.Run(ctx)
}

func (e *embedded) drain(ctx context.Context) error { return e.store.Drain(ctx) }

func (e *embedded) reads() readapi.Engine { return e.querier }

// archives archives and purges the store. Every replica does that for its own.
func (e *embedded) archives(ctx context.Context) error {
	return e.a.archive.archiver.Load().Run(ctx)
}

func (e *embedded) archivesAlone(ctx context.Context) error {
	return e.a.pruneArchive(ctx, e.a.archive.archiver.Load().Source())
}

func (e *embedded) status(s *status.Status) {
	s.Tempo = status.Tempo{Where: "embedded", Ready: true}
	st := e.store.Status()
	s.Store = &st
}

func (e *embedded) look() {}

// retryStuck stores what a Tempo elsewhere did not take.
func (e *embedded) retryStuck(ctx context.Context) {
	stuck := e.a.spool.Stuck()
	for _, i := range stuck.List() {
		entry, err := stuck.Read(i.ID)
		if err == nil {
			err = e.store.Put(ctx, i.Tenant, entry.Payload)
		}
		if err == nil {
			err = stuck.Replace(i.ID, spool.Record{}, "")
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !errors.Is(err, spool.ErrGone):
			e.a.logger.Error("spans that a tempo did not take are not stored either; they stay aside", "tenant", i.Tenant, "spans", i.Spans, "err", err)
		}
	}
}

func (e *embedded) dropStuck(ids []spool.StuckID) (spans int, err error) {
	stuck := e.a.spool.Stuck()
	for _, i := range stuck.List() {
		if !slices.Contains(ids, i.ID) {
			continue
		}
		switch err := stuck.Replace(i.ID, spool.Record{}, ""); {
		case errors.Is(err, spool.ErrGone):
		case err != nil:
			return spans, err
		default:
			spans += i.Spans
			e.a.ledger.Discard(i.Tenant, "operator", i.Spans)
		}
	}
	return spans, nil
}

func (e *embedded) close() error {
	e.querier.Close()
	return nil
}

func (e *embedded) metrics() []telemetry.Metric {
	gauge := func(name, help string, read func(blockstore.Status) float64) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Read: func(emit func(float64, ...string)) { emit(read(e.store.Status())) }}
	}
	return []telemetry.Metric{
		gauge("appliance_store_blocks", "Blocks on this disk.", func(s blockstore.Status) float64 { return float64(s.Blocks) }),
		gauge("appliance_store_bytes", "Bytes of their data.", func(s blockstore.Status) float64 { return float64(s.Bytes) }),
		gauge("appliance_store_live_spans", "Spans that are in no block yet. They are in the spool, and queries find them.", func(s blockstore.Status) float64 { return float64(s.LiveSpans) }),
		gauge("appliance_store_oldest_seconds", "Age of the oldest span in a block.", func(s blockstore.Status) float64 {
			if s.Oldest.IsZero() {
				return 0
			}
			return max(0, time.Since(s.Oldest).Seconds())
		}),
		gauge("appliance_store_unreadable_blocks", "Blocks that could not be read, at the start or when they were to be merged, and are left alone.", func(s blockstore.Status) float64 { return float64(s.Unreadable) }),
		gauge("appliance_store_blocks_total", "Blocks made of what was in the spool.", func(s blockstore.Status) float64 { return float64(s.Cut) }),
		gauge("appliance_store_spans_total", "Spans in them.", func(s blockstore.Status) float64 { return float64(s.Spans) }),
		gauge("appliance_store_copies_total", "Spans that were left out of blocks since the block has an equal one.", func(s blockstore.Status) float64 { return float64(s.Copies) }),
		gauge("appliance_store_merges_total", "Merges of small blocks.", func(s blockstore.Status) float64 { return float64(s.Merges) }),
		gauge("appliance_store_deleted_blocks_total", "Blocks deleted for their age.", func(s blockstore.Status) float64 { return float64(s.Deleted) }),
	}
}
