package nomad

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// DefaultTTL is how long Nomad keeps the lock for a holder that it does not
	// hear from; Nomad takes 10 s at least.
	DefaultTTL = 15 * time.Second
	// lockDelay is how long Nomad keeps a lost lock from everybody, for holders that stop late.
	lockDelay = 5 * time.Second
)

// LeaserOptions say whose lock it is.
type LeaserOptions struct {
	Client *api.Client
	Path   string        // of the variable, such as nomad/jobs/tempo/archiver
	Holder string        // names this process, and no other, in the variable
	TTL    time.Duration // 0: DefaultTTL
	Logger *slog.Logger
}

// Leaser runs work while this process holds the lock of a Nomad variable.
//
// A term begins when the lock is acquired. It is renewed every sixth of the
// TTL, and ends two thirds of the TTL after the sending of the last renewal
// that succeeded: the lock is ours for another third, in which the work has to
// stop, and Nomad waits for lockDelay more before it gives the lock to anybody
// else. Whatever cannot be undone may ask Term.Held right before; it heeds the
// wall clock also, so that a process that was frozen notices.
type Leaser struct {
	o     LeaserOptions
	lock  locker
	now   atomic.Pointer[Term] // the term that is under way
	terms atomic.Uint64
}

// locker is api.Locks and what tells the terms apart.
type locker interface {
	// Acquire takes the lock. api.ErrLockConflict means that another has it.
	Acquire(ctx context.Context) error
	// Fence returns a number that grows with each term of any holder. It fails
	// when the lock is not ours.
	Fence(ctx context.Context) (uint64, error)
	Renew(ctx context.Context) error
	Release(ctx context.Context) error
}

// NewLeaser makes a leaser; nothing is sent before Run.
func NewLeaser(o LeaserOptions) *Leaser {
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	return &Leaser{o: o, lock: &variableLock{o: o}}
}

// Holding tells whether a term is under way and the lock is ours for certain.
func (l *Leaser) Holding() bool {
	t := l.now.Load()
	return t != nil && t.Held()
}

// Terms counts the terms that this process has begun.
func (l *Leaser) Terms() uint64 { return l.terms.Load() }

// Term is one stretch of time in which the lock is ours.
type Term struct {
	// grows from term to term over all holders, for as long as the cluster is not rebuilt
	Fence uint64

	until   atomic.Pointer[time.Time] // monotonic and wall clock
	renewal atomic.Pointer[renewal]   // the last that succeeded
}

// renewal is one that Nomad confirmed.
type renewal struct {
	sent time.Time
	next chan struct{} // closed by the one after it
}

func (t *Term) renewed(sent time.Time) {
	last := t.renewal.Swap(&renewal{sent, make(chan struct{})})
	if last != nil {
		close(last.next)
	}
}

// Confirm returns nil once Nomad has renewed the lock by a request that was
// sent after the call of Confirm: since then nobody else has begun a term in
// this cluster. The error is that of ctx, which is the work's: it ends when
// Nomad does not confirm the lock in time.
func (t *Term) Confirm(ctx context.Context) error {
	asked := time.Now()
	for {
		last := t.renewal.Load()
		if last.sent.After(asked) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-last.next:
		}
	}
}

// Held tells whether the lock is ours for certain at this moment.
func (t *Term) Held() bool {
	until, now := *t.until.Load(), time.Now()
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

type termKey struct{}

// TermOf returns the term that the context of a Leaser's work belongs to, nil
// for any other context.
func TermOf(ctx context.Context) *Term {
	t, _ := ctx.Value(termKey{}).(*Term)
	return t
}

// errLost is the cause of a term's context.
var errLost = errors.New("the lock is lost")

// Run waits for the lock, runs work, and waits for the lock again, until ctx
// ends. The work's context ends when the lock is lost or might be; no other
// term begins before the work has returned. Work that returns an error while
// the lock is ours has failed: the lock is released and Run returns the error.
// Work that returns nil is done; so is Run.
//
// A Nomad that does not answer ends the term in time and is asked again for
// ever.
func (l *Leaser) Run(ctx context.Context, work func(term context.Context) error) error {
	refused := "" // the last reason that was logged
	for ctx.Err() == nil {
		began := time.Now()
		err := l.bounded(ctx, l.o.TTL/3, l.lock.Acquire)
		if err == nil {
			refused = ""
			if done, err := l.term(ctx, began, work); done {
				return err
			}
		}
		if err != nil && !errors.Is(err, api.ErrLockConflict) && ctx.Err() == nil {
			if text := Readable(err).Error(); text != refused {
				refused = text
				l.o.Logger.Warn("the archiver's lock cannot be asked for; asking on", "path", l.o.Path, "err", Readable(err))
			}
		}
		pause := l.o.TTL / 6
		select {
		case <-ctx.Done():
		case <-time.After(pause + rand.N(pause/2)):
		}
	}
	return nil
}

// term runs the work once. It is done when Run has to return.
func (l *Leaser) term(ctx context.Context, began time.Time, work func(context.Context) error) (done bool, err error) {
	t := &Term{}
	until := began.Add(l.o.TTL * 2 / 3)
	t.until.Store(&until)
	t.renewed(began)
	fenced, cancel := context.WithDeadline(ctx, until)
	t.Fence, err = l.lock.Fence(fenced)
	cancel()
	if err != nil {
		l.o.Logger.Warn("the archiver's lock was lost as soon as it was acquired", "path", l.o.Path, "err", Readable(err))
		l.release(ctx)
		return false, nil
	}
	l.terms.Add(1)
	l.now.Store(t)
	defer l.now.Store(nil)
	l.o.Logger.Info("the archiver's lock is ours", "path", l.o.Path, "fence", t.Fence)

	working, stop := context.WithCancelCause(context.WithValue(ctx, termKey{}, t))
	defer stop(nil)
	finished := make(chan error, 1)
	go func() { finished <- work(working) }()
	err, lost := l.keep(working, t, finished)
	if lost {
		stop(errLost)
		l.o.Logger.Warn("the archiver's lock is lost; its work stops", "path", l.o.Path, "fence", t.Fence)
		err := <-finished // however long it takes: two must never work at once
		l.o.Logger.Debug("the work of the lost lock has ended", "path", l.o.Path, "err", err)
		return ctx.Err() != nil, nil
	}
	l.release(ctx)
	if ctx.Err() != nil {
		return true, nil // it was told to end
	}
	return true, err
}

// keep renews the lock until the work ends or the lock is, or might be, lost.
func (l *Leaser) keep(ctx context.Context, t *Term, finished <-chan error) (err error, lost bool) {
	tick := time.NewTicker(l.o.TTL / 6)
	defer tick.Stop()
	for {
		left := time.NewTimer(time.Until(*t.until.Load()))
		select {
		case err := <-finished:
			left.Stop()
			return err, false
		case <-left.C:
			return nil, true
		case <-tick.C:
			left.Stop()
		}
		// From the sending on, not from the answer: Nomad counts from some moment in between.
		sent := time.Now()
		renewing, cancel := context.WithDeadline(context.WithoutCancel(ctx), *t.until.Load())
		err := l.lock.Renew(renewing)
		cancel()
		switch {
		case errors.Is(err, api.ErrLockConflict):
			return nil, true
		case err == nil:
			if !t.Held() { // frozen in between: the lock may have been another's and ours again
				return nil, true
			}
			until := sent.Add(l.o.TTL * 2 / 3)
			t.until.Store(&until)
			t.renewed(sent)
		}
	}
}

// release gives the lock back, so that another need not wait for the TTL.
func (l *Leaser) release(ctx context.Context) {
	err := l.bounded(context.WithoutCancel(ctx), 2*time.Second, l.lock.Release)
	if err != nil && !errors.Is(err, api.ErrLockConflict) {
		l.o.Logger.Warn("the archiver's lock could not be released; it ends by itself", "path", l.o.Path, "ttl", l.o.TTL.String(), "err", Readable(err))
	}
}

func (l *Leaser) bounded(ctx context.Context, d time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return call(ctx)
}

// variableLock is the lock of a Nomad variable. Each acquisition is a handle of
// its own: api.Locks keeps the lock's id.
type variableLock struct {
	o     LeaserOptions
	locks *api.Locks
}

func (v *variableLock) Acquire(ctx context.Context) error {
	locks, err := v.o.Client.Locks(api.WriteOptions{}, api.Variable{
		Path:  v.o.Path,
		Items: api.VariableItems{"holder": v.o.Holder},
		Lock:  &api.VariableLock{TTL: v.o.TTL.String(), LockDelay: lockDelay.String()},
	}, api.LocksOptionWithMaxRetries(1))
	if err != nil {
		return err
	}
	if _, err := locks.Acquire(ctx); err != nil {
		return err
	}
	v.locks = locks
	return nil
}

// Fence is the variable's index of modification: acquiring writes the variable, renewing does not.
func (v *variableLock) Fence(ctx context.Context) (uint64, error) {
	read, _, err := v.o.Client.Variables().Read(v.o.Path, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return 0, fmt.Errorf("read variable %s: %w", v.o.Path, err)
	}
	if holder := read.Items["holder"]; holder != v.o.Holder {
		return 0, fmt.Errorf("variable %s is held by %s at index %s", v.o.Path, holder, strconv.FormatUint(read.ModifyIndex, 10))
	}
	return read.ModifyIndex, nil
}

func (v *variableLock) Renew(ctx context.Context) error   { return v.locks.Renew(ctx) }
func (v *variableLock) Release(ctx context.Context) error { return v.locks.Release(ctx) }
