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

// counted is what became of unique spans, as blocks have them.
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

// countBlocks reads the span ids of all blocks in a directory of Tempo's layout,
// and holds them against the requests that were taken. Behind requests whose
// numbers are below from, nothing is expected: they are left out.
func countBlocks(dir string, taken []int64, from, to int64) (c counted, err error) {
	acknowledged := make([]bool, to-from)
	for _, r := range taken {
		acknowledged[r-from] = true
	}
	seen := make([]uint8, (to-from)*uniqueSpans)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "meta.json"))
	if err != nil {
		return c, err
	}
	for _, meta := range files {
		block := filepath.Dir(meta)
		if strings.HasPrefix(filepath.Base(filepath.Dir(block)), "@") {
			continue // being written
		}
		c.Blocks++
		err := readSpanIDs(filepath.Join(block, "data.parquet"), func(id []byte) {
			n := unscramble(binary.BigEndian.Uint64(id))
			switch at := n - uint64(from)*uniqueSpans; {
			case n < uint64(from)*uniqueSpans:
			case at >= uint64(len(seen)):
				c.Invented++
			case seen[at] < 2:
				seen[at]++
			}
		})
		if err != nil {
			return c, err
		}
	}
	for i, times := range seen {
		switch known := acknowledged[i/uniqueSpans]; {
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
	return c, nil
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
