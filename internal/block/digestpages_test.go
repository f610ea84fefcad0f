package block

import (
	"errors"
	"testing"

	"appliance/internal/block/blocktest"
)

// byPages is the report of a block whose columns are read page by page.
func byPages(t testing.TB, b *Block) (Report, error) {
	t.Helper()
	r := Report{RowGroups: b.RowGroups()}
	return r, b.verifyPages(t.Context(), 1, &r)
}

// TestDigestOfPages holds that columns and traces on the wire give one digest:
// that of the builder.
func TestDigestOfPages(t *testing.T) {
	for seed := range uint64(8) {
		opts := BuilderOptions{PageSpans: 40, DigestKey: 1, KeepCopies: seed%3 == 0}
		if seed%2 == 0 {
			opts.RowGroupBytes = 64 << 10
		}
		b, stats := built(t, blocktest.Records(seed, blocktest.Random(seed, 80)), opts)
		got, err := byPages(t, b)
		if err != nil || got.Digest != stats.Digest || got.Spans != stats.Spans || got.Traces != stats.Traces {
			t.Errorf("seed %d: by pages %+v, %v, want %+v", seed, got, err, stats)
		}
		rows := Report{RowGroups: b.RowGroups()}
		if err := b.verifyColumns(t.Context(), 1, &rows); err != nil || rows != got {
			t.Errorf("seed %d: by rows %+v, %v, want %+v", seed, rows, err, got)
		}
	}
}

// TestUnevenPages holds that blocks of a Tempo, whose pages end anywhere, are
// verified the other way, and that both agree where its pages are even.
func TestUnevenPages(t *testing.T) {
	uneven := 0
	for _, name := range []string{"level0", "level1"} {
		m := loadMemory(t, "testdata/tempo-2.7.2/"+name)
		b, err := Open(t.Context(), m, Options{})
		if err != nil {
			t.Fatal(err)
		}
		rows := Report{RowGroups: b.RowGroups()}
		if err := b.verifyColumns(t.Context(), 1, &rows); err != nil {
			t.Fatal(err)
		}
		got, err := byPages(t, b)
		switch {
		case errors.Is(err, errUneven):
			uneven++
		case err != nil || got != rows:
			t.Errorf("%s: by pages %+v, %v, by rows %+v", name, got, err, rows)
		}
	}
	t.Logf("%d of 2 blocks have uneven pages", uneven)
}
