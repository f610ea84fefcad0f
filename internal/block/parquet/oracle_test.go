package parquet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	oracle "github.com/parquet-go/parquet-go"

	"appliance/internal/block/parquet"
)

// memory is a file in memory.
type memory []byte

func (m memory) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return bytes.NewReader(m).ReadAt(p, off)
}

func open(t testing.TB, data []byte) *parquet.File {
	t.Helper()
	f, err := parquet.Open(t.Context(), memory(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// entry is an entry of a column in a form that both readers give.
type entry struct {
	rep, def int
	value    string
}

// ours reads a chunk with this package.
func ours(t testing.TB, c *parquet.Chunk) []entry {
	t.Helper()
	var v parquet.Values
	pages := c.Pages(t.Context())
	for {
		if err := pages.Next(&v); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return entries(&v, c.Column, pages.Dictionary())
}

func entries(v *parquet.Values, column *parquet.Column, dict *parquet.Dictionary) []entry {
	var list []entry
	value := 0
	for i := range v.Entries {
		var e entry
		if len(v.Rep) > 0 {
			e.rep = int(v.Rep[i])
		}
		if len(v.Def) > 0 {
			e.def = int(v.Def[i])
		}
		if e.def < int(column.MaxDef) {
			list = append(list, e)
			continue
		}
		switch {
		case len(v.IDs) > 0:
			e.value = fmt.Sprintf("%q", dict.At(v.IDs[value]))
		case v.Bytes.Len() > 0:
			e.value = fmt.Sprintf("%q", v.Bytes.At(value))
		case len(v.Ints) > 0:
			e.value = fmt.Sprint(v.Ints[value])
		case len(v.Doubles) > 0:
			e.value = fmt.Sprintf("%x", math.Float64bits(v.Doubles[value]))
		default:
			e.value = fmt.Sprint(v.Bools[value])
		}
		value++
		list = append(list, e)
	}
	return list
}

// theirs reads a chunk with parquet-go.
func theirs(t testing.TB, chunk oracle.ColumnChunk) []entry {
	t.Helper()
	var list []entry
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		values := make([]oracle.Value, page.NumValues())
		if n, err := page.Values().ReadValues(values); n != len(values) || err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(n, err)
		}
		for _, v := range values {
			e := entry{rep: v.RepetitionLevel(), def: v.DefinitionLevel()}
			if !v.IsNull() {
				switch v.Kind() {
				case oracle.ByteArray, oracle.FixedLenByteArray:
					e.value = fmt.Sprintf("%q", v.ByteArray())
				case oracle.Double:
					e.value = fmt.Sprintf("%x", math.Float64bits(v.Double()))
				case oracle.Int32:
					e.value = fmt.Sprint(v.Int32())
				case oracle.Int64:
					e.value = fmt.Sprint(v.Int64())
				default:
					e.value = fmt.Sprint(v.Boolean())
				}
			}
			list = append(list, e)
		}
		oracle.Release(page)
	}
}

// equalToOracle holds each entry of each column against parquet-go.
func equalToOracle(t *testing.T, data []byte) {
	t.Helper()
	f := open(t, data)
	want, err := oracle.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Groups) != len(want.RowGroups()) || f.Rows != want.NumRows() {
		t.Fatalf("%d row groups, %d rows", len(f.Groups), f.Rows)
	}
	for g, group := range want.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			c := &f.Groups[g].Chunks[i]
			got, want := ours(t, c), theirs(t, chunk)
			if len(got) != len(want) {
				t.Fatalf("row group %d, column %s: %d entries, want %d", g, c.Column.Path, len(got), len(want))
			}
			for k := range got {
				if got[k] != want[k] {
					t.Fatalf("row group %d, column %s, entry %d: %v, want %v", g, c.Column.Path, k, got[k], want[k])
				}
			}
			pagesByIndex(t, c, chunk, got)
		}
	}
}

// pagesByIndex reads the pages one by one, from the last to the first.
func pagesByIndex(t *testing.T, c *parquet.Chunk, chunk oracle.ColumnChunk, want []entry) {
	t.Helper()
	x, err := c.OffsetIndex(t.Context())
	if err != nil || x == nil {
		t.Fatal(c.Column.Path, x, err)
	}
	theirs, err := chunk.OffsetIndex()
	if err != nil {
		t.Fatal(err)
	}
	bounds, err := c.ColumnIndex(t.Context())
	if err != nil || len(x.Pages) != theirs.NumPages() || len(bounds.Min) != len(x.Pages) {
		t.Fatalf("%s: %d pages, %d bounds, want %d, %v", c.Column.Path, len(x.Pages), len(bounds.Min), theirs.NumPages(), err)
	}
	pages := c.Pages(t.Context())
	if err := pages.Start(nil); err != nil {
		t.Fatal(err)
	}
	for i := len(x.Pages) - 1; i >= 0; i-- {
		if x.Pages[i].Offset != theirs.Offset(i) || x.Pages[i].FirstRow != theirs.FirstRowIndex(i) {
			t.Fatalf("%s: page %d is %+v", c.Column.Path, i, x.Pages[i])
		}
		pages.Seek(x.Pages[i])
		var v parquet.Values
		if err := pages.Next(&v); err != nil {
			t.Fatal(err)
		}
		if err := pages.Next(&v); !errors.Is(err, io.EOF) {
			t.Fatalf("after the page: %v", err)
		}
		got := entries(&v, c.Column, pages.Dictionary())
		tail := want[len(want)-len(got):]
		for k := range got {
			if got[k] != tail[k] {
				t.Fatalf("%s, page %d, entry %d: %v, want %v", c.Column.Path, i, k, got[k], tail[k])
			}
		}
		want = want[:len(want)-len(got)]
	}
	if len(want) > 0 {
		t.Fatalf("%s: %d entries are in no page of the index", c.Column.Path, len(want))
	}
}

func TestBlocksOfTempo(t *testing.T) {
	files, err := filepath.Glob("../testdata/*/*/data.parquet")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			equalToOracle(t, data)
		})
	}
}
