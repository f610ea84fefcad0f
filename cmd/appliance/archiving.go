package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"appliance/archive"
	"appliance/archive/read"
	"appliance/archive/store"
	"appliance/internal/block"
	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/tempo"
)

const (
	queryGrace   = time.Minute // more than a query takes
	sourceRetry  = 30 * time.Second
	pruneEvery   = time.Hour
	blocksSubdir = "blocks"
)

// archiving is the archive's part of serve. Its zero value archives nothing.
type archiving struct {
	store    store.Store
	embedded bool
	archiver atomic.Pointer[archive.Archiver] // nil until its source answers
	idle     atomic.Pointer[string]           // why the archiver does not work now, or there is none; nil while it works, and where none shall
	unpruned atomic.Pointer[string]           // why nothing is pruned now
}

// openArchive opens the store. A remote store that does not answer is no error: spans are kept meanwhile, and nothing is
// purged.
func (a *appliance) openArchive(ctx context.Context) error {
	c := a.conf.Archive
	a.archive.embedded = a.tempo != nil
	if !c.Enabled || a.tempo == nil && c.Source == "" && c.Store == "" {
		return nil // with a Tempo elsewhere and nothing said of its storage, there is nothing to archive or to read
	}
	err := checkArchive(a.conf)
	if err != nil {
		return err
	}
	a.archive.store, err = store.OpenLater(ctx, archiveStore(a.conf.DataDir, c.Store), store.Options{Create: true, BytesPerSecond: int64(c.BytesPerSecond), Logger: a.logger})
	if err != nil {
		return fmt.Errorf("archive.store: %w", err)
	}
	if !a.archive.embedded {
		a.notArchiving()
		return nil
	}
	// Tempo makes the directory only when it writes its first block.
	dir := filepath.Join(tempoDir(a.conf), blocksSubdir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of Tempo's blocks: %w", err)
	}
	if _, err := instanceID(durable.OS, a.conf.DataDir); err != nil {
		return err
	}
	purge := embeddedPurge(a.conf, dir)
	purge.Needed = func(tenant, block string) bool { return !a.blocks.Sealed(tenant, block) } // for the proof of delivery
	return a.openArchiver(ctx, dir, archive.Options{
		Embedded: purge, Origin: embeddedOrigin(a.conf.DataDir), Interval: embeddedInterval,
	})
}

// checkArchive names the keys that say where the archive and its source are and are no URL of either.
func checkArchive(conf config.Loaded) error {
	var errs []error
	for _, k := range []struct{ path, url string }{{"archive.store", conf.Archive.Store}, {"archive.source", conf.Archive.Source}} {
		if k.url == "" {
			continue
		}
		if err := store.CheckURL(k.url); err != nil {
			errs = append(errs, conf.At(k.path, err))
		}
	}
	return errors.Join(errs...)
}

// embeddedInterval is how often the embedded Tempo's storage is looked at. Nothing is lost by a longer one.
const embeddedInterval = 10 * time.Second

// embeddedPurge says how the embedded Tempo's blocks in dir are purged: after two of Tempo's blocklist polls and the time of a
// query nobody can be reading a block any more. Where the retention is no longer than that, grace gives way.
func embeddedPurge(conf config.Loaded, dir string) *archive.Embedded {
	retention := conf.Tempo.Retention
	poll := tempo.Settings{Retention: retention}.BlocklistPoll()
	return &archive.Embedded{Dir: dir, Retention: retention, Grace: 2*poll + min(queryGrace, retention/2)}
}

// archiveStore is where the archive is, by default.
func archiveStore(dataDir, configured string) string {
	if configured != "" {
		return configured
	}
	dir := filepath.Join(dataDir, "archive")
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return (&url.URL{Scheme: "file", Path: dir}).String()
}

func (a *appliance) openArchiver(ctx context.Context, source string, o archive.Options) error {
	src, err := archive.OpenSource(ctx, source, a.logger)
	if err != nil {
		return err
	}
	o.Store, o.Source, o.Logger = a.archive.store, src, a.logger
	archiver, err := archive.New(o)
	if err != nil {
		return errors.Join(err, src.Close())
	}
	a.archive.archiver.Store(archiver)
	return nil
}

// runArchiver archives and purges the embedded Tempo's storage. Every replica does that for its own.
func (a *appliance) runArchiver(ctx context.Context) error {
	if archiver := a.archive.archiver.Load(); archiver != nil && a.archive.embedded {
		return archiver.Run(ctx)
	}
	return nil
}

// archiving is what only one replica does at a time: it archives the storage of a Tempo elsewhere, and prunes the archive.
func (a *appliance) archiving(ctx context.Context) error {
	switch {
	case a.archive.store == nil:
		<-ctx.Done()
		return nil
	case a.archive.embedded:
		return a.pruneArchive(ctx, a.archive.archiver.Load().Source())
	case a.conf.Archive.Source == "":
		return a.pruneArchive(ctx, nil)
	}
	unopened := sourceUnopened
	a.archive.idle.Store(&unopened)
	defer a.notArchiving() // what the archiver knows would age, while another replica archives
	archiver := a.awaitArchiver(ctx)
	if archiver == nil {
		return nil
	}
	a.archive.idle.Store(nil)
	// Nothing is pruned before the source is known: what it still has is spared.
	done := make(chan error, 1)
	go func() { done <- a.pruneArchive(ctx, archiver.Source()) }()
	return errors.Join(archiver.Run(ctx), <-done)
}

const (
	sourceUnopened  = "Tempo's storage is not opened yet"
	sourceUnlisted  = "Tempo's storage was not listed whole yet"
	anotherArchives = "another replica archives, the holder of nomad.lock"
	termUnrecorded  = "nomad.lock is held here, and its term is not in the archive's store yet"
)

// notArchiving says why the storage of a Tempo elsewhere is not archived here, before a term of the lock and after it.
func (a *appliance) notArchiving() {
	if a.conf.Archive.Source == "" {
		return
	}
	why := sourceUnopened
	if a.nomad.leaser != nil {
		why = anotherArchives
	}
	a.archive.idle.Store(&why)
}

// archiveStatus is how the archiver is, or why it does not work now; nil where nothing is to be archived.
func (a *appliance) archiveStatus() *archiveStatus {
	if why := a.archive.idle.Load(); why != nil {
		if *why == anotherArchives && a.nomad.leaser.Holding() {
			return &archiveStatus{NotRunning: termUnrecorded}
		}
		return &archiveStatus{NotRunning: *why}
	}
	archiver := a.archive.archiver.Load()
	if archiver == nil {
		return nil
	}
	s := &archiveStatus{Status: archiver.Status()}
	if s.LastScan.IsZero() {
		s.NotRunning = sourceUnlisted
		if s.LastFailure != "" {
			s.NotRunning += ": " + s.LastFailure
		}
	}
	return s
}

// awaitArchiver opens the storage of the Tempo elsewhere, as soon as it answers. Nil: ctx ended before.
func (a *appliance) awaitArchiver(ctx context.Context) *archive.Archiver {
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

// pruneArchive deletes blocks that are older than archive.keep from the archive, if that is set, but none that the source
// still has.
func (a *appliance) pruneArchive(ctx context.Context, source archive.Source) error {
	keep := a.conf.Archive.Keep
	if keep == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	pruner := archive.NewPruner(a.archive.store, source, keep)
	defer a.archive.unpruned.Store(nil) // another replica may prune now
	for {
		pruned, doubt, err := pruner.Prune(ctx)
		if err != nil {
			doubt = err.Error()
		}
		a.archive.unpruned.Store(&doubt)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			a.logger.Error("the archive is not pruned; trying again in an hour", "err", err)
		case doubt != "":
			a.logger.Warn("the archive is not pruned, since the clock is in doubt; trying again in an hour", "doubt", doubt)
		case pruned > 0:
			a.logger.Info("pruned the archive", "blocks", pruned, "older_than", keep.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// archiveReader answers queries from the archive; nil where there is none.
func (a *appliance) archiveReader() *read.Reader {
	if a.archive.store == nil {
		return nil
	}
	return read.New(a.archive.store, read.Options{})
}

// heldByTempo says which blocks of a tenant the embedded Tempo answers for: those that have their meta.json. It answers
// for a block for at least a poll longer.
func (a *appliance) heldByTempo(tenant string) func(block string) bool {
	dir := filepath.Join(tempoDir(a.conf), blocksSubdir, tenant)
	return func(id string) bool {
		_, err := os.Stat(filepath.Join(dir, id, block.MetaName))
		return err == nil
	}
}
