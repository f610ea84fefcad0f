package serve

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
	// termsName is the object at the store's root in which each term of
	// nomad.lock is written down before its work begins.
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
	// After is the fence of the term before, where that is not lower: Nomad's indices went back.
	After uint64 `json:"after,omitempty"`
}

// errFenced means that the store has a later term, or what cannot be read as one.
var errFenced = errors.New("the store has a later term of nomad.lock")

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
		own := termRecord{Fence: term.Fence, Holder: a.nomad.holder, Began: time.Now().UTC()}
		for {
			err := recordTerm(ctx, a.archive.store, own)
			if errors.Is(err, errFenced) {
				a.logger.Warn("the store has a later term of the archiver's lock; asking Nomad whether the lock is ours", "fence", term.Fence, "err", err)
				if err = term.Confirm(ctx); err == nil {
					err = replaceTerms(ctx, a.archive.store, own)
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

// recordTerm writes a term behind the others. It is errFenced where those say
// that a later one has begun.
func recordTerm(ctx context.Context, s store.Store, t termRecord) error {
	terms, err := readTerms(ctx, s)
	if err != nil {
		return err
	}
	if n := len(terms); n > 0 {
		switch last := terms[n-1]; {
		case last.Fence == t.Fence && last.Holder == t.Holder:
			return nil // written by an attempt whose answer was lost
		case last.Fence >= t.Fence:
			return fmt.Errorf("%w: %d by %s, ours is %d", errFenced, last.Fence, last.Holder, t.Fence)
		}
	}
	return writeTerms(ctx, s, append(terms, t))
}

// replaceTerms writes a term behind the others, whatever they say. A file that
// cannot be read is begun again.
func replaceTerms(ctx context.Context, s store.Store, t termRecord) error {
	terms, err := readTerms(ctx, s)
	if err != nil && !errors.Is(err, errFenced) {
		return err
	}
	if n := len(terms); n > 0 {
		t.After = terms[n-1].Fence
	}
	return writeTerms(ctx, s, append(terms, t))
}

func readTerms(ctx context.Context, s store.Store) (terms []termRecord, err error) {
	text, err := store.ReadFile(ctx, s, termsName, termsBytes)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", termsName, err)
	}
	if err := json.Unmarshal(text, &terms); err != nil {
		return nil, fmt.Errorf("%w, or none that can be read: %s of %d bytes: %w", errFenced, termsName, len(text), err)
	}
	return terms, nil
}

func writeTerms(ctx context.Context, s store.Store, terms []termRecord) error {
	text, err := json.MarshalIndent(terms[max(0, len(terms)-termsKept):], "", "  ")
	if err != nil {
		return err
	}
	if err := s.Replace(ctx, termsName, append(text, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", termsName, err)
	}
	return nil
}
