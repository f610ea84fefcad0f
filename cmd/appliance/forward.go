package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"appliance/forwarder"
	"appliance/internal/blockdir"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
	"appliance/internal/tempo"
)

const (
	resendSlack = time.Minute // more than the embedded Tempo takes from the cut of a block to its meta.json
	quietSlack  = 500 * time.Millisecond

	// Tempo keeps what it is sent as objects of several times the size until its next look at them, and sorts it into
	// blocks later.
	digestSeconds = 56 // for as many bytes as its memory limit
	windowTimes   = 2  // its memory limit may be sent and not be in a block; it is on disk by then
)

// openSpool opens what is kept and the account of it, and puts the embedded Tempo's blocks in order.
func (a *appliance) openSpool() (err error) {
	began := time.Now()
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
	if a.tempo == nil {
		return nil
	}
	a.blocks = blockdir.New(tempoDir(a.conf), nil, a.logger)
	since := time.Now()
	if !st.Oldest.IsZero() {
		since = st.Oldest
	}
	found, err := a.blocks.Recover(since)
	if err != nil {
		return fmt.Errorf("put Tempo's blocks in order: %w", err)
	}
	if st.Pending.Spans > 0 || found.Sealed+found.Damaged+found.Unfinished > 0 {
		a.logger.Info("went on from the last run", "pending_spans", st.Pending.Spans, "blocks", found.Blocks, "newly_synced", found.Sealed,
			"damaged", found.Damaged, "unfinished", found.Unfinished, "took", time.Since(began).Round(time.Millisecond).String())
	}
	return nil
}

// newForwarder ties the spool to the Tempo that takes the spans.
func (a *appliance) newForwarder(settings tempo.Settings) (*forwarder.Forwarder, error) {
	target, err := a.target()
	if err != nil {
		return nil, err
	}
	o := forwarder.Options{
		Spool: a.spool, Target: target, Discarded: a.ledger.Discard, Logger: a.logger,
		ResendAfter: a.conf.Forwarder.ResendAfter, Settle: a.conf.Forwarder.Settle,
	}
	if a.tempo == nil {
		o.TraceIdle = a.conf.Forwarder.TraceIdle
	}
	if base := a.conf.Tempo.QueryURL; a.tempo == nil && base != "" {
		o.Discards = func(ctx context.Context, tenant string) (map[string]int64, error) {
			at, _, err := a.nomad.locate(base)
			if err != nil {
				return nil, err
			}
			return tempo.Discards(ctx, at, tenant)
		}
	}
	if a.tempo != nil {
		if o.ResendAfter == 0 {
			block, err := settings.BlockDuration()
			if err != nil {
				return nil, err
			}
			o.ResendAfter = block + resendSlack
		}
		o.Blocks = a.newBlocks
		o.Flush = func(ctx context.Context) error {
			state, err := a.readyTempo()
			if err != nil {
				return err
			}
			return tempo.Flush(ctx, state.HTTP())
		}
		o.Discards = func(ctx context.Context, tenant string) (map[string]int64, error) {
			state, err := a.readyTempo()
			if err != nil {
				return nil, err
			}
			return tempo.Discards(ctx, state.HTTP(), tenant)
		}
		limit := int64(a.conf.Tempo.MemoryLimit)
		valve := &memoryValve{live: a.tempo.LiveHeap, limit: limit, unwritten: a.tempo.UnwrittenBlocks}
		o.Busy = func() bool { return valve.closed() || a.disks.short.Load() } // blocks do not take what the spool needs
		o.BytesPerSecond = limit / digestSeconds
		o.Window = limit * windowTimes
		o.Quiet = 2*tempo.FlushCheck + quietSlack
	}
	return forwarder.New(o), nil
}

// target says where spans go: a Tempo elsewhere, or the embedded one on the port that it has now.
func (a *appliance) target() (func() (forwarder.Target, error), error) {
	if a.tempo == nil {
		to, err := forwarder.TracesURL(a.conf.Forwarder.TempoURL)
		return func() (forwarder.Target, error) {
			at, run, err := a.nomad.locate(to)
			if process := a.elsewhere.Load(); process != nil && *process != "" {
				run += *process
			} else if a.conf.Tempo.QueryURL != "" {
				run = "" // it has not said, or not now: that is not another run
			}
			return forwarder.Target{URL: at, Process: run}, err
		}, err
	}
	return func() (forwarder.Target, error) {
		state, err := a.readyTempo()
		return forwarder.Target{URL: state.OTLP() + "/v1/traces", Process: fmt.Sprintf("%d@%d", state.PID, state.Since.UnixNano())}, err
	}, nil
}

// watchTempo asks a Tempo elsewhere when it started, often enough that none of its ends goes unnoticed while spans wait for
// it to write them to its disk.
func (a *appliance) watchTempo(ctx context.Context) error {
	if a.tempo != nil || a.conf.Tempo.QueryURL == "" {
		return nil
	}
	tick := time.NewTicker(a.conf.Forwarder.Settle / 4)
	defer tick.Stop()
	for {
		base, _, err := a.nomad.locate(a.conf.Tempo.QueryURL)
		process := ""
		if err == nil {
			process, err = tempo.Process(ctx, base)
		}
		if err != nil {
			a.logger.Debug("tempo does not say when it started", "err", err)
		}
		a.elsewhere.Store(&process)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// newBlocks are the embedded Tempo's, as the forwarder wants them.
func (a *appliance) newBlocks(ctx context.Context) ([]forwarder.Block, error) {
	found, err := a.blocks.Next(ctx)
	blocks := make([]forwarder.Block, len(found))
	for i, b := range found {
		blocks[i] = writtenBlock{b, len(a.conf.Receiver.Tenants) == 0}
	}
	return blocks, err
}

type writtenBlock struct {
	blockdir.Block
	anyTenant bool // a Tempo without tenants puts all spans in one, also those that came for a tenant that there was
}

func (b writtenBlock) Covers(tenant string, sent time.Time) bool {
	return (b.anyTenant || b.Tenant == tenant) && !b.Written.Before(sent)
}

// readURL is where queries go, over HTTP and gRPC.
func (a *appliance) readURL() (*url.URL, string, error) {
	if a.tempo == nil {
		at, _, err := a.nomad.locate(a.conf.Tempo.QueryURL)
		if err != nil {
			return nil, "", err
		}
		u, err := url.Parse(at)
		if err != nil {
			return nil, "", err
		}
		return u, hostPort(u), nil
	}
	state, err := a.readyTempo()
	if err != nil {
		return nil, "", err
	}
	u, err := url.Parse(state.HTTP())
	return u, state.GRPC(), err
}

func (a *appliance) readyTempo() (tempo.State, error) {
	state := a.tempo.State()
	switch {
	case state.Ready:
		return state, nil
	case state.PID == 0 && state.Err != nil:
		return state, fmt.Errorf("the embedded Tempo ended (%w) and is started again", state.Err)
	}
	return state, errors.New("the embedded Tempo is starting")
}
