package serve

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// running is what works on its own, beside the requests.
type running struct {
	parts          *errgroup.Group
	failed         context.Context // ends when a part fails
	stopBackground context.CancelFunc
	stored         <-chan struct{} // closed once nothing is brought to the storage any more
}

// run starts everything that build opened. The failure of a part ends no other
// part: that is what stop is for.
func (a *appliance) run(ctx context.Context) *running {
	heap := limitMemory(memoryBound(a.conf), int64(a.conf.Receiver.InflightBytes))
	a.announce(heap)
	a.disks.warn(a.logger, int64(a.conf.Spool.MaxBytes))

	parts, failed := errgroup.WithContext(ctx)
	background, stopBackground := context.WithCancel(ctx)
	stored := make(chan struct{})
	go func() {
		defer close(stored)
		if err := a.storage.run(background); err != nil {
			parts.Go(func() error { return err })
		}
	}()
	for _, part := range []func(context.Context) error{
		a.nomad.follow,
		a.runArchiver,
		a.archiveAlone,
		a.sampler.Run,
		a.runTail,
		a.keepLedger,
		a.keepCounts,
		a.runRemoteWrite,
		a.watchConfig,
		a.watchSpool,
		a.watchConditions,
		a.disks.watch,
		a.keepHistory,
		a.followOrders,
	} {
		parts.Go(func() error { return part(background) })
	}
	parts.Go(func() error { return a.receiver.Serve(ctx) })
	parts.Go(func() error { return serveAdmin(a.admin, a.door) })
	a.logger.Info("ready", "after", time.Since(a.began).Round(time.Millisecond).String())
	return &running{parts, failed, stopBackground, stored}
}
