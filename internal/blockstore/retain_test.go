package blockstore

import (
	"testing"
	"time"

	"appliance/internal/block"
)

// The age of a block of our own counts from when its youngest record came: spans
// of a client whose clock is ahead do not keep it until then, and those of hours
// ago do not have it deleted as it comes.
func TestAgeOfABlock(t *testing.T) {
	cut := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, end := range []time.Time{time.Unix(0, 0), cut, time.Date(2554, 7, 21, 0, 0, 0, 0, time.UTC)} {
		ours := &Block{Meta: block.Meta{EndTime: end}, Lineage: &Lineage{Cut: cut}}
		if got := ours.newest(); !got.Equal(cut) {
			t.Errorf("one of ours that ends %s is of %s", end, got)
		}
		if got := (&Block{Meta: block.Meta{EndTime: end}}).newest(); !got.Equal(end) {
			t.Errorf("one of a Tempo that ends %s is of %s", end, got)
		}
	}
}
