package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// idsOfSpans is the one column of a block that is counted.
type idsOfSpans struct {
	ResourceSpans []struct {
		ScopeSpans []struct {
			Spans []struct{ SpanID []byte } `parquet:",list"`
		} `parquet:"ss,list"`
	} `parquet:"rs,list"`
}

// TestCountBlocks holds that each kind of fault is seen, and what is right is
// not taken for one.
func TestCountBlocks(t *testing.T) {
	const from, to = 2, 5 // requests 2 and 4 are acknowledged, 3 is not
	all := func(r int64) (numbers []uint64) {
		for slot := range uniqueSpans {
			numbers = append(numbers, uniqueNumber(r, slot))
		}
		return numbers
	}
	whole := append(all(2), all(4)...)
	for name, c := range map[string]struct {
		blocks [][]uint64
		want   counted
		wrong  bool
	}{
		"right":        {[][]uint64{all(2), all(4)}, counted{Found: 1024, Blocks: 2}, false},
		"not answered": {[][]uint64{whole, all(3)[:7]}, counted{Found: 1024, Others: 7, Blocks: 2}, false},
		"behind":       {[][]uint64{whole, all(0), all(0)}, counted{Found: 1024, Blocks: 3}, false},
		"missing":      {[][]uint64{whole[3:]}, counted{Found: 1021, Missing: 3, Blocks: 1}, true},
		"twice":        {[][]uint64{whole, whole[:2]}, counted{Found: 1022, Twice: 2, Blocks: 2}, true},
		"invented":     {[][]uint64{whole, all(5)[:1]}, counted{Found: 1024, Invented: 1, Blocks: 2}, true},
		"nothing":      {nil, counted{Missing: 1024}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i, numbers := range c.blocks {
				writeIDs(t, filepath.Join(dir, "tenant", string(rune('a'+i))), numbers)
			}
			writeIDs(t, filepath.Join(dir, "@staging", "x"), all(2)) // being written
			counting := newTally([]int64{4, 2}, from, to)
			blocks, err := blockIDs(dir, counting.see)
			got := counting.count()
			got.Blocks = blocks
			if err != nil || got != c.want || got.right() == c.wrong {
				t.Errorf("counted %+v, right: %t: %v", got, got.right(), err)
			}
		})
	}
}

func writeIDs(t *testing.T, dir string, numbers []uint64) {
	t.Helper()
	var row idsOfSpans
	row.ResourceSpans = make([]struct {
		ScopeSpans []struct {
			Spans []struct{ SpanID []byte } `parquet:",list"`
		} `parquet:"ss,list"`
	}, 1)
	rs := &row.ResourceSpans[0]
	rs.ScopeSpans = make([]struct {
		Spans []struct{ SpanID []byte } `parquet:",list"`
	}, 1)
	for _, n := range numbers {
		rs.ScopeSpans[0].Spans = append(rs.ScopeSpans[0].Spans, struct{ SpanID []byte }{binary.BigEndian.AppendUint64(nil, scramble(n))})
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "meta.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(filepath.Join(dir, "data.parquet"), []idsOfSpans{row}); err != nil {
		t.Fatal(err)
	}
}
