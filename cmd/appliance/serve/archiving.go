package serve

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"appliance/archive"
	"appliance/archive/read"
	"appliance/archive/store"
	"appliance/cmd/appliance/status"
	"appliance/internal/config"
	"appliance/internal/querier"
)

const (
	pruneEvery      = time.Hour
	pruneBytesEvery = 10 * time.Minute // an archive grows by what comes meanwhile
)

// archiving is the archive's part of serve. Its zero value archives nothing.
type archiving struct {
	store    store.Store
	archiver atomic.Pointer[archive.Archiver] // nil until its source answers
	// why the archiver does not work now, or there is none; nil while it works,
	// and where none shall
	idle     atomic.Pointer[string]
	unpruned atomic.Pointer[string] // why nothing is pruned now
}

// openArchive opens the store. A remote store that does not answer is not an error:
// spans are kept meanwhile, and nothing is purged.
func (a *appliance) openArchive(ctx context.Context) error {
	c := a.conf.Archive
	at := ArchiveURL(a.conf)
	if at == "" {
		return nil
	}
	err := checkArchive(a.conf)
	if err != nil {
		return err
	}
	a.archive.store, err = store.OpenLater(ctx, at, store.Options{Create: true, BytesPerSecond: int64(c.BytesPerSecond), Logger: a.logger})
	if err != nil {
		return fmt.Errorf("archive.store: %w", err)
	}
	a.atEnd(func() { _ = a.archive.store.Close() }) // nothing is written through it any more
	return nil
}

// ArchiveURL is where the archive is. It is empty where there is none: with a
// Tempo elsewhere and nothing said of its storage, there is nothing to archive or
// to read.
func ArchiveURL(conf config.Loaded) string {
	c := conf.Archive
	if !c.Enabled || !IsEmbedded(conf) && c.Source == "" && c.Store == "" {
		return ""
	}
	return ArchiveStore(conf.DataDir, c.Store)
}

// checkArchive names the keys that say where the archive and its source are and
// are not URLs of either.
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

func (a *appliance) openArchiver(ctx context.Context, source string, o archive.Options) error {
	src, err := archive.OpenSource(ctx, source, a.logger)
	if err != nil {
		return err
	}
	o.Store, o.Source, o.Logger = a.archive.store, src, a.logger
	o.Room = a.disks.archiveRoom()
	o.StoreFile, o.MaxBytes = StoreFile(a.conf.DataDir), int64(a.conf.Archive.MaxBytes)
	archiver, err := archive.New(o)
	if err != nil {
		return errors.Join(err, src.Close())
	}
	a.archive.archiver.Store(archiver)
	return nil
}

// runArchiver does what every replica does for the archive.
func (a *appliance) runArchiver(ctx context.Context) error {
	if a.archive.store == nil {
		return nil
	}
	return a.storage.archives(ctx)
}

// archiveAlone archives while no other replica does.
func (a *appliance) archiveAlone(ctx context.Context) error {
	return a.nomad.alone(ctx, a.fenced(a.archiving))
}

// archiving is what only one replica does at a time.
func (a *appliance) archiving(ctx context.Context) error {
	if a.archive.store == nil {
		<-ctx.Done()
		return nil
	}
	return a.storage.archivesAlone(ctx)
}

const (
	sourceUnopened  = "Tempo's storage is not opened yet"
	sourceUnlisted  = "the blocks were not listed whole yet"
	anotherArchives = "another replica archives, the holder of nomad.lock"
	termUnrecorded  = "nomad.lock is held here, and its term is not in the archive's store yet"
)

// notArchiving says why the storage of a Tempo elsewhere is not archived here,
// before a term of the lock and after it.
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

// archiveStatus is how the archiver is, or why it does not work now; nil where
// nothing is to be archived.
func (a *appliance) archiveStatus() *status.Archive {
	if why := a.archive.idle.Load(); why != nil {
		if *why == anotherArchives && a.nomad.leaser.Holding() {
			return &status.Archive{NotRunning: termUnrecorded}
		}
		return &status.Archive{NotRunning: *why}
	}
	archiver := a.archive.archiver.Load()
	if archiver == nil {
		return nil
	}
	s := &status.Archive{Status: archiver.Status()}
	if s.LastScan.IsZero() {
		s.NotRunning = sourceUnlisted
		if s.LastFailure != "" {
			s.NotRunning += ": " + s.LastFailure
		}
	}
	return s
}

// pruneArchive deletes from the archive what is older than archive.keep or
// beyond archive.keep_bytes, where one of them is set, but nothing that the
// source still has.
func (a *appliance) pruneArchive(ctx context.Context, source archive.Source) error {
	keep := archive.Keep{Age: a.conf.Archive.Keep, Bytes: int64(a.conf.Archive.KeepBytes)}
	if keep == (archive.Keep{}) {
		<-ctx.Done()
		return nil
	}
	every := pruneEvery
	if keep.Bytes > 0 {
		every = pruneBytesEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	pruner := archive.NewPruner(a.archive.store, source, keep)
	defer a.archive.unpruned.Store(nil) // another replica may prune now
	for {
		pruned, doubt, err := a.pruneOnce(ctx, pruner)
		if err != nil {
			doubt = err.Error()
		}
		a.archive.unpruned.Store(&doubt)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			a.logger.Error("the archive is not pruned; trying again", "in", every.String(), "err", err)
		case doubt != "":
			a.logger.Warn("the archive is not pruned; trying again", "in", every.String(), "doubt", doubt)
		case pruned > 0:
			a.logger.Info("pruned the archive", "blocks", pruned, "what", keep.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// pruneOnce prunes unless the store is not that of the last run: another's
// blocks are not ours to delete.
func (a *appliance) pruneOnce(ctx context.Context, pruner *archive.Pruner) (pruned int, doubt string, err error) {
	err = archive.KnownStore{Store: a.archive.store, File: StoreFile(a.conf.DataDir)}.Check(ctx)
	var changed *archive.StoreChangedError
	if errors.As(err, &changed) {
		return 0, changed.Error(), nil
	} else if err != nil {
		return 0, "", err
	}
	return pruner.Prune(ctx)
}

// reader is what answers questions from the archive; nil where there is none.
func (a *archiving) reader() querier.Archive {
	if a.store == nil {
		return nil
	}
	return read.Hurried(a.store)
}
