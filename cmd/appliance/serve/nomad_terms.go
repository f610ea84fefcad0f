package serve

import (
	"context"
	"errors"
	"time"

	"appliance/archive"
	"appliance/nomad"
)

// termsRetry is the pause before a term is written again that could not be.
const termsRetry = 5 * time.Second

// fenced runs work after it has written its term into the store, where it looks
// first that no later one has begun: a replica that was frozen between the lock
// and its work does not do it. Work without a lock is run as it is.
//
// The fence is an index of Nomad's, and those go back when a cluster is rebuilt
// or restored. So a later term in the store is not believed against Nomad:
// where Nomad confirms, after we have seen it, that the lock is ours, it is of
// a cluster that is no more, and ours takes its place. A frozen replica gets no
// such confirmation.
func (a *appliance) fenced(work func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		term := nomad.TermOf(ctx)
		if term == nil || a.archive.store == nil {
			return work(ctx)
		}
		own := archive.Term{Fence: term.Fence, Holder: a.nomad.holder, Began: time.Now().UTC()}
		for {
			err := archive.RecordTerm(ctx, a.archive.store, own)
			if errors.Is(err, archive.ErrLaterTerm) {
				a.logger.Warn("the store has a later term of the archiver's lock; asking Nomad whether the lock is ours", "fence", term.Fence, "err", err)
				if err = term.Confirm(ctx); err == nil {
					err = archive.ReplaceTerm(ctx, a.archive.store, own)
				}
				if err == nil {
					a.logger.Warn("the archiver's terms are counted from Nomad's index again, since that went back", "fence", term.Fence)
				}
			}
			if err == nil && term.Held() {
				return work(ctx)
			}
			if err == nil || ctx.Err() != nil {
				<-ctx.Done() // the lock is another's, or may be, and our leaser finds out
				return nil
			}
			a.logger.Warn("the term of the archiver's lock is not in the store; trying again", "fence", term.Fence, "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(termsRetry):
			}
		}
	}
}
