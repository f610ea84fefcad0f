package blocks

import (
	"testing"

	"appliance/internal/block"
)

// TestMerged has Tempo's compactor merge our block with its own. Some traces have
// spans in both.
func TestMerged(t *testing.T) {
	all := []*input{conformance(t, "*/*.pb.gz"), random(100, 300).tame(t), load(2, 20_000)}
	for _, in := range all {
		t.Run(in.name, func(t *testing.T) {
			s := newStorage(t)
			half := len(in.records) / 2
			first := &input{name: in.name, records: in.records[:half]}
			second := &input{name: in.name, records: in.records[half:]}
			s.build(t, first, ourID, block.BuilderOptions{})
			s.build(t, second, otherID, block.BuilderOptions{})
			pure := s.compact(t, nil, s.create(t, first), s.create(t, second))
			mixed := s.compact(t, nil, ourID, s.create(t, second))
			ours := s.compact(t, nil, ourID, otherID)
			if len(pure) != 1 || len(mixed) != 1 || len(ours) != 1 {
				t.Fatalf("the compactor made the blocks %v, %v and %v", pure, mixed, ours)
			}
			want := s.dump(t, pure[0])
			mustEqual(t, want, s.dump(t, mixed[0]))
			mustEqual(t, want, s.dump(t, ours[0]))
			rows := s.lines(t, "rows", nil, nil, pure[0])
			mustEqualLines(t, rows, s.lines(t, "rows", nil, nil, mixed[0]))
			mustEqualLines(t, rows, s.lines(t, "rows", nil, nil, ours[0]))
			mustEqual(t, want, read(t, s.open(t, mixed[0])))
		})
	}
}
