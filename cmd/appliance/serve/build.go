package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
	"appliance/receiver"
	"appliance/sampler"
)

// build opens everything, top to bottom. Nothing of it runs yet, and no span is
// taken. What was opened is closed by close, also after an error.
func (a *appliance) build(ctx context.Context) error {
	for _, open := range []func(context.Context) error{
		a.openSampler,
		a.openDataDir,
		a.joinNomad,
		a.openSpool,
		a.openTail,
		a.openReceiver,
		a.openRemoteWrite,
		a.openArchive,
		a.openStorage,
		a.openReads,
		a.openAdmin,
		a.openDoors,
	} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	return nil
}

// atEnd has something closed when the process ends. What was opened last is
// closed first.
func (a *appliance) atEnd(closer func()) { a.closers = append(a.closers, closer) }

func (a *appliance) close() {
	for _, closer := range slices.Backward(a.closers) {
		closer()
	}
}

func (a *appliance) openSampler(context.Context) error {
	conf, notes, err := SamplerConfig(a.conf)
	if err != nil {
		return err
	}
	a.notes = append(a.notes, notes...)
	a.pressure.configured, a.pressure.relief = conf, reliefConfig(a.conf)
	a.sampler, err = sampler.New(conf)
	return err
}

// openDataDir makes the data directory and takes it for this process.
func (a *appliance) openDataDir(context.Context) error {
	unlock, err := lockDataDir(a.conf.DataDir)
	if err != nil {
		return err
	}
	a.atEnd(unlock)
	return markFormat(durable.OS, a.conf.DataDir, a.versions.Version, a.logger)
}

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
	return func() { _ = lock.Unlock() }, nil // the end of the process ends the lock too
}

// openSpool opens what is kept and the account of it.
func (a *appliance) openSpool(context.Context) (err error) {
	a.spool, err = spool.Open(filepath.Join(a.conf.DataDir, "spool"), spool.Options{MaxBytes: int64(a.conf.Spool.MaxBytes), Logger: a.logger})
	if err != nil {
		return fmt.Errorf("open the spool: %w", err)
	}
	a.atEnd(func() { _ = a.spool.Close() }) // stop has closed it, and said what was wrong
	st := a.spool.Status()
	if a.ledger, err = ledger.Open(durable.OS, LedgerFile(a.conf.DataDir), st); err != nil {
		a.logger.Error("the ledger of earlier runs is damaged", "err", err)
	}
	a.readAcknowledged()
	if l := a.ledger.Balance(ledger.Counts{}, st); l.Damaged+l.Unaccounted > 0 {
		a.logger.Error("spans that were acknowledged are lost", "damaged", l.Damaged, "unaccounted", l.Unaccounted,
			"hint", "appliance spool verify says what is damaged; appliance spool acknowledge-loss ends this alarm")
	}
	return nil
}

func (a *appliance) openReceiver(context.Context) (err error) {
	a.sink = &sinkTo{Spool: a.spool}
	a.disks = newDisks(a.conf.DataDir, ArchiveURL(a.conf), int64(a.conf.Spool.MaxBytes), a.spool.Held)
	a.openMeter()
	conf := receiverConfig(a.conf)
	conf.Meter = a.meter
	if a.receiver, err = receiver.New(conf, samplerFor{a.sampler}, a.sink, a.logger); err != nil {
		return &config.Error{Where: "receiver", Err: err}
	}
	return nil
}
