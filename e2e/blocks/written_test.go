package blocks

import (
	"encoding/hex"
	"testing"

	"appliance/internal/block"
)

// Ids of the blocks of a test.
const (
	ourID   = "0b0c0000-0000-4000-8000-000000000001"
	otherID = "0b0c0000-0000-4000-8000-000000000002"
)

// TestWritten has Tempo read, search and check our block, and its own of the same
// spans.
func TestWritten(t *testing.T) {
	for _, in := range inputs(t) {
		t.Run(in.name, func(t *testing.T) {
			s := newStorage(t)
			if in.wild {
				t.Run("everything", func(t *testing.T) { s.mustHoldAll(t, in, otherID) })
				in = in.tame(t)
			}
			s.mustHoldAll(t, in, ourID)
			theirs := s.create(t, in)
			mustEqual(t, in.held(t), s.dump(t, theirs))
			t.Run("lookups", func(t *testing.T) {
				ids := some(in.held(t).Traces(), 60)
				mustEqual(t, s.find(t, theirs, ids...), s.find(t, ourID, ids...))
			})
			t.Run("columns", func(t *testing.T) {
				mustEqualLines(
					t, s.lines(t, "rows", nil, nil, theirs), s.lines(t, "rows", nil, nil, ourID),
				)
			})
			t.Run("attributes", func(t *testing.T) {
				mustEqualLines(
					t, s.lines(t, "tags", nil, nil, theirs), s.lines(t, "tags", nil, nil, ourID),
				)
			})
			t.Run("searches", func(t *testing.T) { s.mustFindTheSame(t, in, theirs, ourID) })
		})
	}
}

// mustHoldAll builds our block of spans, and has Tempo check it and read all of
// them.
func (s *storage) mustHoldAll(t *testing.T, in *input, id string) {
	t.Helper()
	s.build(t, in, id, block.BuilderOptions{})
	mustEqual(t, in.held(t), s.dump(t, id))
	s.run(t, "validate", nil, nil, id)
}

// some are n ids spread over a list, in hex.
func some(ids [][16]byte, n int) (texts []string) {
	for i := 0; i < len(ids); i += max(1, len(ids)/n) {
		texts = append(texts, hex.EncodeToString(ids[i][:]))
	}
	return texts
}
