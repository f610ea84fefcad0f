package forwarder

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"appliance/internal/spool"
)

const (
	// stuck spans are tried again, and less often while Tempo takes none
	stuckEvery = time.Minute
	stuckMost  = 10 * time.Minute // at the most
	// failures of a tenant's, after which the others wait for the next time
	stuckTries = 3

	byOperator = "operator" // reason of what somebody gave up
)

// retries is the stuck records that are being sent, or wait for their proof.
type retries struct {
	mu    sync.Mutex
	under map[spool.StuckID]bool
	tried map[string]spool.StuckID // by tenant, the last one
	now   chan struct{}            // has room for one token: try all again now
}

func newRetries() *retries {
	return &retries{under: map[spool.StuckID]bool{}, tried: map[string]spool.StuckID{}, now: make(chan struct{}, 1)}
}

// start is false where a record is under way already.
func (r *retries) start(id spool.StuckID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.under[id] {
		return false
	}
	r.under[id] = true
	return true
}

// answered says whether Tempo took something of a stuck record. The proof of it
// comes later.
func (r *retries) answered(s *shipment, taken bool) {
	select {
	case s.outcome <- taken:
	default:
	}
}

// end is the end of a try.
func (r *retries) end(s *shipment, taken bool) {
	r.mu.Lock()
	delete(r.under, s.entry)
	r.mu.Unlock()
	r.answered(s, taken)
}

// RetryStuck has all stuck spans tried again now.
func (f *Forwarder) RetryStuck() {
	select {
	case f.retries.now <- struct{}{}:
	default:
	}
}

// DropStuck gives stuck records up, which counts as discarded by an operator.
// It returns how many spans that were. One that is not there any more is no
// error.
func (f *Forwarder) DropStuck(ids []spool.StuckID) (spans int, err error) {
	for _, i := range f.o.Spool.Stuck().List() {
		for _, id := range ids {
			if i.ID != id {
				continue
			}
			dropErr := f.o.Spool.Stuck().Replace(id, spool.Record{}, "")
			if errors.Is(dropErr, spool.ErrGone) {
				continue
			}
			if dropErr != nil {
				return spans, dropErr
			}
			spans += i.Spans
			f.o.Discarded(i.Tenant, byOperator, i.Spans)
			f.stats.discarded(byOperator, i.Spans)
		}
	}
	return spans, nil
}

// retryStuck tries what is stuck again and again.
func (f *Forwarder) retryStuck(ctx context.Context) {
	every := f.stuckEvery
	for {
		select {
		case <-time.After(every):
			every = min(2*every, max(stuckMost, f.stuckEvery))
		case <-f.retries.now:
			every = f.stuckEvery
		case <-ctx.Done():
			return
		}
		if f.retryRound(ctx) {
			every = f.stuckEvery
		}
	}
}

// retryRound tries what is stuck once, each tenant for itself, and says whether
// Tempo took something.
func (f *Forwarder) retryRound(ctx context.Context) bool {
	byTenant := map[string][]spool.StuckInfo{}
	for _, i := range f.o.Spool.Stuck().List() {
		byTenant[i.Tenant] = append(byTenant[i.Tenant], i)
	}
	var any atomic.Bool
	var g errgroup.Group
	for tenant, list := range byTenant {
		g.Go(func() error {
			if f.retryTenant(ctx, tenant, list) {
				any.Store(true)
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return any.Load()
}

// retryTenant goes on where it ended the last time.
func (f *Forwarder) retryTenant(ctx context.Context, tenant string, list []spool.StuckInfo) (any bool) {
	r := f.retries
	r.mu.Lock()
	last := r.tried[tenant]
	r.mu.Unlock()
	from := 0
	for i, e := range list {
		if e.ID <= last {
			from = i + 1
		}
	}
	failed := 0
	for i := range list {
		e := list[(from+i)%len(list)]
		if !r.start(e.ID) {
			continue
		}
		s := &shipment{tenant: tenant, entry: e.ID, spans: e.Spans, bytes: int(e.Bytes), outcome: make(chan bool, 1)}
		f.lanes.doubt(s, 0)
		r.mu.Lock()
		r.tried[tenant] = e.ID
		r.mu.Unlock()
		select {
		case taken := <-s.outcome:
			any = any || taken
			if !taken {
				failed++
			}
		case <-ctx.Done():
			return any
		}
		if failed == stuckTries {
			break
		}
	}
	return any
}
