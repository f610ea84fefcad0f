package block

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"appliance/internal/block/blocktest"
)

// dump has the entries of each column, by the trace.
func dump(t testing.TB, b *Block) map[[16]byte][]string {
	t.Helper()
	rows := map[[16]byte][]string{}
	var ids [][16]byte
	for id, err := range b.IDs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		rows[id] = make([]string, len(b.columns))
	}
	for i := range b.layout.schema.Columns {
		row := -1
		for g := range b.file.Groups {
			var c cursor
			c.start(t.Context(), &b.file.Groups[g].Chunks[b.columns[i]])
			for {
				rep, err := c.rep()
				if err != nil {
					t.Fatal(err)
				}
				if c.entry == c.v.Entries {
					if err := c.load(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
					if rep, err = c.rep(); err != nil {
						t.Fatal(err)
					}
				}
				if rep == 0 {
					row++
				}
				def, err := c.take(rep)
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprintf("%d/%d ", rep, def)
				if def == c.maxDef {
					text += describeValue(&c) + " "
				}
				rows[ids[row]][i] += text
			}
		}
	}
	return rows
}

func describeValue(c *cursor) string {
	i := c.value - 1
	switch {
	case len(c.v.Ints) > 0:
		return fmt.Sprint(c.v.Ints[i])
	case len(c.v.Doubles) > 0:
		return fmt.Sprintf("%x", math.Float64bits(c.v.Doubles[i]))
	case len(c.v.Bools) > 0:
		return fmt.Sprint(c.v.Bools[i])
	}
	return fmt.Sprintf("%q", c.bytes())
}

// merged merges blocks, and returns the block, and how many traces were in
// several.
func merged(t testing.TB, opts BuilderOptions, blocks ...*Block) (b *Block, stats Stats, joined int) {
	t.Helper()
	opts.Dir, opts.Tenant, opts.BlockID = t.TempDir(), "single-tenant", testBlockID
	m, err := NewMerger(opts)
	if err != nil {
		t.Fatal(err)
	}
	var open []*MergeSource
	next := func(s *MergeSource) bool {
		more, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		return more
	}
	for _, b := range blocks {
		s, err := NewMergeSource(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if next(s) {
			open = append(open, s)
		}
	}
	for len(open) > 0 {
		id := *open[0].ID()
		for _, s := range open[1:] {
			if bytes.Compare(s.ID()[:], id[:]) < 0 {
				id = *s.ID()
			}
		}
		var same, rest []*MergeSource
		for _, s := range open {
			if *s.ID() == id {
				same = append(same, s)
			}
		}
		if err := m.Add(same...); err != nil {
			t.Fatal(err)
		}
		if len(same) > 1 {
			joined++
		}
		for _, s := range open {
			if *s.ID() != id || next(s) {
				rest = append(rest, s)
			}
		}
		open = rest
	}
	_, stats, err = m.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return openBlock(t, m.dir), stats, joined
}

// wantMerged has the traces that are in one block as they are there, and the
// others as a Builder makes them of what a reader gives.
func wantMerged(t *testing.T, opts BuilderOptions, blocks []*Block) map[[16]byte][]string {
	t.Helper()
	var records [][]byte
	count := map[[16]byte]int{}
	want := map[[16]byte][]string{}
	for _, b := range blocks {
		for id, columns := range dump(t, b) {
			want[id] = columns
			count[id]++
		}
		for trace, err := range b.Traces(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, bytes.Clone(trace))
		}
	}
	whole, _ := built(t, records, opts)
	for id, columns := range dump(t, whole) {
		if count[id] > 1 {
			want[id] = columns
		}
	}
	return want
}

// TestMerge holds that what a Merger makes is, column for column, what is in its
// sources, or what a Builder makes of traces that are in several, and that
// digests add up.
func TestMerge(t *testing.T) {
	copied, joined, removed := int64(0), 0, uint64(0)
	for seed := range uint64(8) {
		records := blocktest.Records(seed, blocktest.Random(seed, 80))
		opts := BuilderOptions{PageSpans: 50, DigestKey: 1}
		if seed%2 == 0 {
			opts.RowGroupBytes = 64 << 10
		}
		parts := 1 + int(seed%4)
		var blocks []*Block
		var in Digest
		for i := range parts {
			part := records[i*len(records)/parts : (i+1)*len(records)/parts]
			if seed%3 == 0 && i > 0 {
				part = append(part[:len(part):len(part)], records[0]) // copies
			}
			b, stats := built(t, part, opts)
			blocks = append(blocks, b)
			in.Add(stats.Digest)
		}
		got, stats, n := merged(t, opts, blocks...)
		r, err := got.Verify(t.Context(), 1)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		out := r.Digest
		out.Add(stats.Removed)
		if out != in || stats.Removed.Spans != uint64(stats.Copies) || stats.Spans != r.Spans || stats.Traces != r.Traces {
			t.Errorf("seed %d: %+v came out and %+v went in, %+v", seed, out, in, stats)
		}
		if stats.Added != stats.Spans+stats.Copies+stats.Overflowed || stats.Added != int64(in.Spans) {
			t.Errorf("seed %d: %+v does not add up", seed, stats)
		}
		compareDumps(t, seed, dump(t, got), wantMerged(t, opts, blocks))
		copied, joined, removed = copied+stats.Traces-int64(n), joined+n, removed+stats.Removed.Spans
	}
	if copied < 100 || joined < 50 || removed < 10 {
		t.Errorf("%d traces were copied, %d joined, %d copies removed: the test shows little", copied, joined, removed)
	}
}

func compareDumps(t *testing.T, seed uint64, got, want map[[16]byte][]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("seed %d: %d traces, not %d", seed, len(got), len(want))
	}
	s := newVParquet4()
	for id, columns := range want {
		for i := range columns {
			if got[id] == nil || got[id][i] != columns[i] {
				t.Fatalf("seed %d: trace %x, column %s: %.200q, not %.200q", seed, id, s.Columns[i].Name, strings.Join(got[id], "|"), columns[i])
			}
		}
	}
}

// TestMergeOfAGiantTrace merges many blocks that are full of one trace: the merge
// holds no more of it than two blocks have, and what goes to Overflow is the rest.
func TestMergeOfAGiantTrace(t *testing.T) {
	const parts, spans = 12, 40
	opts := BuilderOptions{TraceBytes: spans * 400, DigestKey: 5}
	var in, out Digest
	var sources []*MergeSource
	for part := range parts {
		giant := blocktest.ScopeSpans{}
		for i := range spans {
			giant.Spans = append(giant.Spans, blocktest.Span{
				TraceID: []byte("0123456789abcdef"), SpanID: []byte{1, 2, 3, 4, 5, 6, byte(part), byte(i)}, Name: "giant", Start: 1, End: 2,
			})
		}
		b, stats := built(t, blocktest.Records(1, []blocktest.ResourceSpans{{Scopes: []blocktest.ScopeSpans{giant}}}), opts)
		in.Add(stats.Digest)
		s, err := NewMergeSource(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if more, err := s.Next(); err != nil || !more {
			t.Fatal(more, err)
		}
		sources = append(sources, s)
	}
	var over [][]byte
	opts.Dir, opts.Tenant, opts.BlockID = t.TempDir(), "single-tenant", testBlockID
	opts.Overflow = func(record []byte) error { over = append(over, bytes.Clone(record)); return nil }
	m, err := NewMerger(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(sources...); err != nil {
		t.Fatal(err)
	}
	if held := m.queue.size(); held > 2*opts.TraceBytes {
		t.Errorf("the merge holds %d bytes of a trace of which a block takes %d", held, opts.TraceBytes)
	}
	_, stats, err := m.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := openBlock(t, m.dir).Verify(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	_, rest := built(t, over, BuilderOptions{DigestKey: 5})
	out.Add(r.Digest)
	out.Add(rest.Digest)
	if in != out || stats.Added != parts*spans || stats.Overflowed != rest.Added || stats.Spans+stats.Overflowed != stats.Added {
		t.Errorf("%+v went in, and %+v came out: %+v, and %+v over", in, out, stats, rest)
	}
}
