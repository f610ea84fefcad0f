package serve

import (
	"context"
	"time"

	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
	"appliance/sampler"
)

// ledgerEvery is how often the ledger is saved, and what was acknowledged is
// read.
const ledgerEvery = time.Second

// counts is what the receiver has counted in this run, for the ledger.
func (a *appliance) counts() ledger.Counts {
	s := a.receiver.Stats()
	c := ledger.Counts{Kept: int64(s.Kept), SampledOut: map[string]int64{}, Rejected: map[string]int64{}, RuledOut: map[string]int64{}}
	for _, r := range sampler.Reasons() {
		if n := s.Decisions[r]; n > 0 && !r.Keeps() {
			c.SampledOut[r.String()] = int64(n)
		}
	}
	for reason, label := range invalidLabels {
		if n := s.Invalid[reason]; n > 0 {
			c.Rejected[label] = int64(n)
		}
	}
	for rule, n := range s.RuledOut {
		if n > 0 {
			c.RuledOut[rule] = int64(n)
		}
	}
	if s.Refused > 0 {
		c.Rejected[refusedLabel] = int64(s.Refused)
	}
	return c
}

// account draws up the ledger.
func (a *appliance) account() ledger.Account {
	run := a.counts() // before the spool, see Balance
	return a.ledger.Balance(run, a.spool.Status())
}

// shown saves what this run has counted, and draws up the account of that, for a
// scrape. run was read before kept, see Balance.
func shown(before *saver, l *ledger.Ledger, run ledger.Counts, kept func() spool.Status) ledger.Account {
	before.save(func() error { return l.Save(run) })
	return l.Balance(run, kept())
}

// keepLedger saves the ledger now and then.
func (a *appliance) keepLedger(ctx context.Context) error {
	tick := time.NewTicker(ledgerEvery)
	defer tick.Stop()
	var last error
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.readAcknowledged()
			err := a.ledger.Save(a.counts())
			if err != nil && last == nil {
				a.logger.Error("a crash now would forget counts of spans that were not kept", "err", err)
			}
			last = err
		}
	}
}

// readAcknowledged takes in what was acknowledged since.
func (a *appliance) readAcknowledged() {
	seen, err := ledger.ReadAcknowledged(durable.OS, AcknowledgedFile(a.conf.DataDir))
	if err != nil {
		if !a.unread {
			a.logger.Error("which loss was acknowledged is not known", "err", err)
		}
		a.unread = true
		return // what was read before holds
	}
	a.unread = false
	a.ledger.Acknowledge(seen)
}
