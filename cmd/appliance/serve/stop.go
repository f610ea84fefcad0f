package serve

import (
	"context"
	"time"
)

const (
	inflightDeadline = 20 * time.Second // for requests in flight when stopping
	closeDeadline    = 2 * time.Second  // for connections to close
)

// stop ends what runs, in this order: not ready, refuse intake, finish what is in
// flight, bring the spool to blocks, save the accounts, close the ports. It
// returns the error of the part that failed first.
func (a *appliance) stop(ctx context.Context, r *running) error {
	// The port answers 503 until all else has stopped: clients try again after a
	// 503, and never after a refused connection.
	a.stopping.Store(true)
	a.receiver.Drain()
	a.awaitInflight(inflightDeadline)
	a.drain(ctx)
	r.stopBackground()
	<-r.stored
	if err := a.spool.Close(); err != nil {
		a.logger.Error("the spool was not closed in order; nothing acknowledged is lost", "err", err)
	}
	if err := a.ledger.Save(a.counts()); err != nil {
		a.logger.Error("counts of spans that were not kept are not saved", "err", err)
	}
	a.closeMeter()
	closing, cancel := context.WithTimeout(ctx, closeDeadline)
	defer cancel()
	if err := a.receiver.Shutdown(closing); err != nil {
		a.logger.Warn("some requests were not finished; their clients send them again", "err", err)
	}
	if err := a.admin.Shutdown(closing); err != nil {
		_ = a.admin.Close() // what is not over by now is cut off
	}
	err := r.parts.Wait()
	a.logger.Info("stopped", "ran", time.Since(a.began).Round(time.Millisecond).String())
	return err
}

// awaitInflight waits until every request that was taken before the drain is
// answered, or for the deadline.
func (a *appliance) awaitInflight(deadline time.Duration) {
	over := time.After(deadline)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for a.receiver.Stats().InflightRequests > 0 {
		select {
		case <-over:
			a.logger.Warn("requests are still in flight at the deadline; their clients send them again", "deadline", deadline.String())
			return
		case <-tick.C:
		}
	}
}

// drain brings what is in the spool to blocks, for as long as the deadline
// allows.
func (a *appliance) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.conf.Forwarder.DrainDeadline)
	defer cancel()
	began := time.Now()
	if err := a.storage.drain(ctx); err != nil {
		a.logger.Info("some spans stay in the spool; the next start goes on with them", "pending_spans", a.spool.Status().Pending.Spans, "why", err)
		return
	}
	a.logger.Debug("everything in the spool is proven", "took", time.Since(began).Round(time.Millisecond).String())
}
