package archive

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"appliance/archive/store"
)

// memory is what an archiver keeps in the store about one source, so that a
// restart knows it. Archivers of the same source share it: gaps are joined, and
// of the rest the last writer wins, which costs at most a second look at a
// block.
type memory struct {
	Origin string `json:"origin"`
	// ScannedAt is when the source was last listed whole.
	ScannedAt time.Time `json:"scanned_at"`
	// Gaps are times or blocks that may be missing in the archive for good.
	Gaps []Gap `json:"gaps,omitempty"`
	// Covered are blocks of the source whose spans are all in other archived
	// blocks, each with the SHA-256 of its meta.json.
	Covered map[string]string `json:"covered,omitempty"`
}

// A Gap is something that the source deleted, or may have deleted, before it was archived.
type Gap struct {
	From   time.Time `json:"from"` // the last time all was known to be well
	To     time.Time `json:"to"`
	Reason string    `json:"reason"`
	Tenant string    `json:"tenant,omitempty"` // of the block that vanished, if it is known
	Block  string    `json:"block,omitempty"`
}

const (
	maxMemoryBytes = 16 << 20
	maxGaps        = 1000 // the latest are kept
)

func memoryName(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return fmt.Sprintf(ownPrefix+"archiver-%x.json", sum[:8])
}

// errForgotten says that what an archiver remembered cannot be parsed.
var errForgotten = errors.New("what the archiver remembered is damaged")

// recall reads the memory of a source. One that cannot be parsed is as if there
// were none: it holds nothing that the archive's blocks depend on. The error is
// errForgotten then.
func recall(ctx context.Context, s store.Store, origin string) (memory, error) {
	m := memory{Origin: origin, Covered: map[string]string{}}
	text, err := store.ReadFile(ctx, s, memoryName(origin), maxMemoryBytes)
	if errors.Is(err, store.ErrNotExist) {
		return m, nil
	} else if err != nil {
		return m, err
	}
	var read memory
	if err := json.Unmarshal(text, &read); err != nil {
		return m, fmt.Errorf("%w: parse %s: %w", errForgotten, memoryName(origin), err)
	}
	if read.Covered == nil {
		read.Covered = m.Covered
	}
	read.Origin = origin
	return read, nil
}

func (m *memory) save(ctx context.Context, s store.Store) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	if err := s.Replace(ctx, memoryName(m.Origin), append(text, '\n')); err != nil {
		return fmt.Errorf("write what the archiver remembers: %w", err)
	}
	return nil
}

// joinGaps adds those gaps that another archiver of the source has recorded.
func (m *memory) joinGaps(theirs []Gap) {
	for _, g := range theirs {
		if !slices.ContainsFunc(m.Gaps, g.equal) {
			m.addGap(g)
		}
	}
}

func (g Gap) equal(o Gap) bool {
	return g.From.Equal(o.From) && g.To.Equal(o.To) && g.Reason == o.Reason && g.Tenant == o.Tenant && g.Block == o.Block
}

func (m *memory) addGap(g Gap) {
	m.Gaps = append(m.Gaps, g)
	slices.SortStableFunc(m.Gaps, func(x, y Gap) int { return x.To.Compare(y.To) })
	if n := len(m.Gaps) - maxGaps; n > 0 {
		m.Gaps = m.Gaps[n:]
	}
}
