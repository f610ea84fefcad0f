package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"appliance/archive/store"
	"appliance/nomad"
)

const (
	// termsName is the object at the store's root in which each term of nomad.lock is written down before its work begins.
	termsName  = "@archiver-terms.json"
	termsKept  = 100
	termsBytes = 1 << 20
	termsRetry = 5 * time.Second
)

// termRecord is one term in which a replica was the one that archives.
type termRecord struct {
	Fence  uint64    `json:"fence"` // grows from term to term over all replicas
	Holder string    `json:"holder"`
	Began  time.Time `json:"began"`
}

// errFenced means that a later term has begun already, so that ours is over whatever our clock says.
var errFenced = errors.New("a later term of nomad.lock has begun")

// fenced runs work after it has written its term into the store, where it looks first that no later one has begun: a
// replica that was frozen between the lock and its work does not do it. Work without a lock is run as it is.
func (a *appliance) fenced(work func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		term := nomad.TermOf(ctx)
		if term == nil || a.archive.store == nil {
			return work(ctx)
		}
		for {
			err := recordTerm(ctx, a.archive.store, termRecord{term.Fence, a.nomad.holder, time.Now().UTC()})
			if err == nil {
				return work(ctx)
			}
			a.logger.Warn("the term of the archiver's lock is not in the store; trying again", "fence", term.Fence, "err", err)
			if errors.Is(err, errFenced) {
				<-ctx.Done() // the lock is another's; our leaser finds out
				return nil
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(termsRetry):
			}
		}
	}
}

func recordTerm(ctx context.Context, s store.Store, t termRecord) error {
	var terms []termRecord
	text, err := store.ReadFile(ctx, s, termsName, termsBytes)
	switch {
	case errors.Is(err, store.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read %s: %w", termsName, err)
	default:
		if err := json.Unmarshal(text, &terms); err != nil {
			return fmt.Errorf("read %s of %d bytes: %w", termsName, len(text), err)
		}
	}
	switch n := len(terms); {
	case n > 0 && terms[n-1].Fence == t.Fence && terms[n-1].Holder == t.Holder:
		return nil // written by an attempt whose answer was lost
	case n > 0 && terms[n-1].Fence >= t.Fence:
		return fmt.Errorf("%w: %d by %s, ours is %d", errFenced, terms[n-1].Fence, terms[n-1].Holder, t.Fence)
	}
	terms = append(terms, t)
	if text, err = json.MarshalIndent(terms[max(0, len(terms)-termsKept):], "", "  "); err != nil {
		return err
	}
	if err := s.Replace(ctx, termsName, append(text, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", termsName, err)
	}
	return nil
}
