package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"appliance/archive/store"
)

const (
	termsName  = "@archiver-terms.json"
	termsKept  = 100
	termsBytes = 1 << 20
)

// Term is the time for which one of several replicas is the one that archives. It
// is written into the store before its work begins.
type Term struct {
	Fence  uint64    `json:"fence"` // grows from term to term over all replicas
	Holder string    `json:"holder"`
	Began  time.Time `json:"began"`
	// After is the fence of the term before, where that is not lower: whatever
	// counts the fences went back.
	After uint64 `json:"after,omitempty"`
}

// ErrLaterTerm says that the store has a later term, or what cannot be read as one.
var ErrLaterTerm = errors.New("the store has a later term of the archiver's lock")

// RecordTerm writes a term behind the others. It is ErrLaterTerm where those say
// that a later one has begun.
func RecordTerm(ctx context.Context, s store.Store, t Term) error {
	terms, err := readTerms(ctx, s)
	if err != nil {
		return err
	}
	if n := len(terms); n > 0 {
		switch last := terms[n-1]; {
		case last.Fence == t.Fence && last.Holder == t.Holder:
			return nil // written by an attempt whose answer was lost
		case last.Fence >= t.Fence:
			return fmt.Errorf("%w: %d by %s, ours is %d", ErrLaterTerm, last.Fence, last.Holder, t.Fence)
		}
	}
	return writeTerms(ctx, s, append(terms, t))
}

// ReplaceTerm writes a term behind the others, whatever they say. A file that
// cannot be read is begun again.
func ReplaceTerm(ctx context.Context, s store.Store, t Term) error {
	terms, err := readTerms(ctx, s)
	if err != nil && !errors.Is(err, ErrLaterTerm) {
		return err
	}
	if n := len(terms); n > 0 {
		t.After = terms[n-1].Fence
	}
	return writeTerms(ctx, s, append(terms, t))
}

func readTerms(ctx context.Context, s store.Store) (terms []Term, err error) {
	text, err := store.ReadFile(ctx, s, termsName, termsBytes)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", termsName, err)
	}
	if err := json.Unmarshal(text, &terms); err != nil {
		return nil, fmt.Errorf("%w, or none that can be read: %s of %d bytes: %w", ErrLaterTerm, termsName, len(text), err)
	}
	return terms, nil
}

func writeTerms(ctx context.Context, s store.Store, terms []Term) error {
	text, err := json.MarshalIndent(terms[max(0, len(terms)-termsKept):], "", "  ")
	if err != nil {
		return err
	}
	if err := s.Replace(ctx, termsName, append(text, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", termsName, err)
	}
	return nil
}
