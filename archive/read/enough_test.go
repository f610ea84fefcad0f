package read

import (
	"context"
	"testing"

	"github.com/grafana/tempo/tempodb/encoding/vparquet4"
)

// When an older block is enough, no other is begun; a newer one that is under way goes on, since it may hold what is more
// recent.
func TestEnoughDoesNotCutShortWhatIsUnderWay(t *testing.T) {
	a := newArchive(t)
	for n := range 4 {
		a.write(t, tenant, vparquet4.VersionString, makeTrace(n, "api", 0))
	}
	r := New(a.store, Options{Parallel: 2})
	blocks, _, err := r.blocks(t.Context(), tenant, window{})
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan *block, len(blocks))
	missing, err := r.each(t.Context(), tenant, blocks, 1, func(ctx context.Context, b *block, _ *openBlock) error {
		begun <- b
		if b != blocks[0] {
			return errEnough
		}
		// The other's turn is free when it was enough.
		if err := r.open.Acquire(t.Context(), 1); err != nil {
			return err
		}
		r.open.Release(1)
		return ctx.Err()
	})
	if err != nil || len(missing) != 0 {
		t.Errorf("missing %v, %v", missing, err)
	}
	if len(begun) != 2 {
		t.Errorf("%d blocks were begun", len(begun))
	}
}
