package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// counted is what became of unique spans, as the files of a server have them.
type counted struct {
	Found    int64 `json:"found"`    // acknowledged, and there once
	Missing  int64 `json:"missing"`  // acknowledged, and not there
	Twice    int64 `json:"twice"`    // there more than once
	Others   int64 `json:"others"`   // there, and sent without being acknowledged
	Invented int64 `json:"invented"` // there, and never sent
	Blocks   int   `json:"blocks"`
}

// right says whether each acknowledged span is there once, and nothing invented.
func (c counted) right() bool { return c.Missing+c.Twice+c.Invented == 0 && c.Found > 0 }

// spanIDColumn is where the format has the ids of spans.
var spanIDColumn = []string{"rs", "list", "element", "ss", "list", "element", "Spans", "list", "element", "SpanID"}

// tally counts the spans of a server by the numbers that their ids have.
type tally struct {
	from         uint64 // number of the first span that counts
	acknowledged []bool // by request
	seen         []uint8
	invented     int64
}

// newTally expects the requests that were taken, of those from one number up to
// another. What was sent before them is left out.
func newTally(taken []int64, from, to int64) *tally {
	t := &tally{
		from: uint64(from) * uniqueSpans, acknowledged: make([]bool, to-from), seen: make([]uint8, (to-from)*uniqueSpans),
	}
	for _, r := range taken {
		t.acknowledged[r-from] = true
	}
	return t
}

// see takes the id of a span that the server has.
func (t *tally) see(id []byte) {
	n := unscramble(binary.BigEndian.Uint64(id))
	switch at := n - t.from; {
	case n < t.from:
	case at >= uint64(len(t.seen)):
		t.invented++
	case t.seen[at] < 2:
		t.seen[at]++
	}
}

func (t *tally) count() counted {
	c := counted{Invented: t.invented}
	for i, times := range t.seen {
		switch known := t.acknowledged[i/uniqueSpans]; {
		case times > 1:
			c.Twice++
		case times == 1 && known:
			c.Found++
		case times == 1:
			c.Others++
		case known:
			c.Missing++
		}
	}
	return c
}

// blockIDs calls visit with the id of each span in the blocks of a directory of
// Tempo's layout, and returns how many blocks these are.
func blockIDs(dir string, visit func(id []byte)) (blocks int, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "meta.json"))
	if err != nil {
		return 0, err
	}
	for _, meta := range files {
		block := filepath.Dir(meta)
		if strings.HasPrefix(filepath.Base(filepath.Dir(block)), "@") {
			continue // being written
		}
		blocks++
		if err := readSpanIDs(filepath.Join(block, "data.parquet"), visit); err != nil {
			return 0, err
		}
	}
	return blocks, nil
}

// readSpanIDs calls visit with the id of each span of a block.
func readSpanIDs(path string, visit func(id []byte)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	column, ok := file.Schema().Lookup(spanIDColumn...)
	if !ok {
		return fmt.Errorf("%s has no column %s", path, strings.Join(spanIDColumn, "."))
	}
	for _, g := range file.RowGroups() {
		if err := readColumn(g.ColumnChunks()[column.ColumnIndex], visit); err != nil {
			return fmt.Errorf("read span ids of %s: %w", path, err)
		}
	}
	return nil
}

func readColumn(chunk parquet.ColumnChunk, visit func(id []byte)) error {
	pages := chunk.Pages()
	defer pages.Close()
	values := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for r := page.Values(); ; {
			n, err := r.ReadValues(values)
			for _, v := range values[:n] {
				if id := v.ByteArray(); len(id) == 8 {
					visit(id)
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
}
