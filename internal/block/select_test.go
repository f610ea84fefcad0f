package block

import (
	"bytes"
	"testing"

	"appliance/internal/block/blocktest"
)

// Select yields what Traces does of the traces that are asked for.
func TestSelect(t *testing.T) {
	for every := 1; every < 12; every += 5 {
		b, _ := built(t, blocktest.Records(3, blocktest.Random(3, 80)), BuilderOptions{PageSpans: 30, RowGroupBytes: 1 << 13})
		var ids []byte
		var want [][]byte
		n := 0
		for id, err := range b.IDs(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if n%every == every/2 {
				ids = append(ids, id[:]...)
			}
			n++
		}
		n = 0
		for data, err := range b.Traces(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if n%every == every/2 {
				want = append(want, bytes.Clone(data))
			}
			n++
		}
		// One that the block lacks changes nothing.
		ids = append(ids, bytes.Repeat([]byte{0xff}, 16)...)
		i := 0
		for data, err := range b.Select(t.Context(), ids, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if i == len(want) || !bytes.Equal(data, want[i]) {
				t.Fatalf("every %d: trace %d of %d is not what Traces has", every, i, len(want))
			}
			i++
		}
		if i != len(want) || i == 0 || b.RowGroups() < 2 {
			t.Errorf("every %d: %d traces of %d in %d row groups", every, i, len(want), b.RowGroups())
		}
	}
}
