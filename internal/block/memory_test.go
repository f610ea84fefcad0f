package block

import (
	"bytes"
	"context"
	"testing"

	"appliance/internal/block/blocktest"
)

// TestMemoryAgain holds that buffers that were used before, also for a block that
// failed, change nothing in a block.
func TestMemoryAgain(t *testing.T) {
	memory := &Memory{}
	for seed := range uint64(4) {
		records := blocktest.Records(seed, blocktest.Random(seed, 20+int(seed%2)*60))
		failing := newTestBuilder(t, BuilderOptions{Memory: memory})
		if err := failing.Add(records[0]); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := failing.Finish(ctx); err == nil {
			t.Fatal("a block was finished after its context was done")
		}
		opts := BuilderOptions{PageSpans: 40, RowGroupBytes: 64 << 10}
		want, _, _ := build(t, records, opts)
		opts.Memory = memory
		got, _, stats := build(t, records, opts)
		if !bytes.Equal(loadMemory(t, got)[DataName], loadMemory(t, want)[DataName]) {
			t.Errorf("seed %d: the data differs", seed)
		}
		src := loadMemory(t, got)
		for range 2 {
			b, err := Open(t.Context(), src, Options{Memory: memory})
			if err != nil {
				t.Fatal(err)
			}
			if r, err := b.Verify(t.Context(), 0); err != nil || r.Digest != stats.Digest {
				t.Errorf("seed %d: %+v, %v", seed, r, err)
			}
		}
	}
	if memory.columns == nil || memory.digest == nil {
		t.Error("no buffers were kept")
	}
}
