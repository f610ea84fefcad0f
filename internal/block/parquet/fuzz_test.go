package parquet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
)

// bytesAt is a file in memory.
type bytesAt []byte

func (b bytesAt) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return bytes.NewReader(b).ReadAt(p, off)
}

func footerOf(t testing.TB, data []byte) []byte {
	t.Helper()
	n := int(data[len(data)-8]) | int(data[len(data)-7])<<8 | int(data[len(data)-6])<<16
	return data[len(data)-8-n : len(data)-8]
}

func tempoFile(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../testdata/tempo-2.7.2/level0/data.parquet")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzMetadata reads any bytes as each of the structures. What is read can be
// written, and is then read as the same.
func FuzzMetadata(f *testing.F) {
	data := tempoFile(f)
	f.Add(footerOf(f, data))
	meta, err := ReadFileMetaData(footerOf(f, data))
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range meta.RowGroups[0].Columns[:20] {
		f.Add(data[c.ColumnIndexOffset:][:c.ColumnIndexLength])
		f.Add(data[c.OffsetIndexOffset:][:c.OffsetIndexLength])
		f.Add(data[c.MetaData.Start():][:60])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ReadFileMetaData(b); err == nil {
			again := AppendFileMetaData(nil, m)
			if m, err = ReadFileMetaData(again); err != nil || !bytes.Equal(AppendFileMetaData(nil, m), again) {
				t.Fatalf("a footer that was written again: %v", err)
			}
		}
		if x, err := ReadColumnIndex(b); err == nil {
			again := AppendColumnIndex(nil, x)
			if x, err = ReadColumnIndex(again); err != nil || !bytes.Equal(AppendColumnIndex(nil, x), again) {
				t.Fatalf("a column index that was written again: %v", err)
			}
		}
		if x, err := ReadOffsetIndex(b); err == nil {
			again := AppendOffsetIndex(nil, x)
			if y, err := ReadOffsetIndex(again); err != nil || !slices.Equal(y.Pages, x.Pages) {
				t.Fatalf("an offset index that was written again: %v", err)
			}
		}
		if h, n, err := ReadPageHeader(b); err == nil && (n > len(b) || h.check() != nil) {
			t.Fatalf("a header of %d bytes in %d: %+v", n, len(b), h)
		}
	})
}

// FuzzFile reads all of any file: it is an error, or what parquet's own
// invariants allow.
func FuzzFile(f *testing.F) {
	data := tempoFile(f)
	f.Add(data)
	f.Add([]byte("PAR1\x15\x04\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(t.Context(), bytesAt(data), int64(len(data)))
		if err != nil {
			return
		}
		for g := range file.Groups {
			for i := range file.Groups[g].Chunks {
				readAll(t, &file.Groups[g].Chunks[i])
			}
		}
	})
}

func readAll(t *testing.T, c *Chunk) {
	t.Helper()
	if n, err := c.Verify(t.Context()); err == nil && n == 0 && c.rows > 0 {
		t.Fatal("rows in no page were verified")
	}
	if x, err := c.OffsetIndex(t.Context()); err == nil && x != nil && c.rows > 0 {
		p := c.Pages(t.Context())
		if p.Start(nil) == nil {
			at, rows := x.Find(c.rows-1, c.rows)
			p.Seek(at)
			var v Values
			if err := p.Next(&v); err == nil && rows <= 0 {
				t.Fatalf("%d rows in the last page", rows)
			}
		}
	}
}

// FuzzPage decodes any bytes as a page without a checksum, in any encoding, of
// any type and levels.
func FuzzPage(f *testing.F) {
	for encoding := range Encoding(9) {
		for kind := range Type(8) {
			f.Add(byte(kind), byte(encoding), byte(2), byte(3), uint16(10), uint8(4), uint8(4), []byte("\x14\x00\x14\x03\x80\x01\x04\x0a\x02\x00\x00\x00\x00\x00"))
		}
	}
	f.Fuzz(func(t *testing.T, kind, encoding, maxRep, maxDef byte, n uint16, rep, def uint8, body []byte) {
		column := Column{Type: Type(kind), MaxRep: maxRep % 8, MaxDef: maxDef % 8, Width: 3}
		meta := ColumnChunk{MetaData: ColumnMetaData{Type: column.Type, NumValues: int64(n), Codec: Codec(encoding >> 6), DictionaryPageOffset: int64(kind >> 7)}}
		file := &File{r: bytesAt(body), size: int64(len(body)), zstd: newZstd()}
		d := decoder{chunk: &Chunk{Column: &column, file: file, meta: &meta}}
		if err := d.dictionary(&PageHeader{Type: DictionaryPage, CompressedSize: int32(len(body)), UncompressedSize: int32(len(body)), Dictionary: DictionaryPageHeader{NumValues: int32(rep)}}, body); err == nil && d.dict.Len() != int(rep) {
			t.Fatalf("a dictionary of %d has %d", rep, d.dict.Len())
		}
		for _, h := range []PageHeader{
			{Type: DataPage, V1: DataPageHeader{NumValues: int32(n), Encoding: Encoding(encoding & 15), RepetitionEncoding: RLE, DefinitionEncoding: RLE}},
			{Type: DataPageV2, V2: DataPageHeaderV2{NumValues: int32(n), NumRows: int32(n), Encoding: Encoding(encoding & 15), RepetitionLength: int32(rep), DefinitionLength: int32(def)}},
		} {
			h.CompressedSize, h.UncompressedSize = int32(len(body)), int32(len(body))
			if h.check() != nil {
				continue
			}
			v := Values{Ints: []int64{7}}
			if err := d.data(&v, &h, body); err != nil {
				if v.Entries != 0 || len(v.Ints) != 1 || len(v.Rep) != 0 || v.Bytes.Len() != 0 {
					t.Fatalf("after %v: %+v", err, v)
				}
				continue
			}
			checkValues(t, &v, &column, int(n))
		}
	})
}

// checkValues holds what was decoded against its own counts.
func checkValues(t *testing.T, v *Values, c *Column, n int) {
	t.Helper()
	values := n
	if c.MaxDef > 0 {
		values = bytes.Count(v.Def, []byte{c.MaxDef})
	}
	got := len(v.Ints) - 1 + len(v.Doubles) + len(v.Bools) + len(v.IDs) + v.Bytes.Len()
	if v.Entries != n || got != values || c.MaxRep > 0 && len(v.Rep) != n || c.MaxDef > 0 && (len(v.Def) != n || slices.Max(append(v.Def, 0)) > c.MaxDef) {
		t.Fatalf("%d entries, %d values, want %d and %d", v.Entries, got, n, values)
	}
}

// A reader that fails tells nothing of the file.
func TestSourceErrors(t *testing.T) {
	data := tempoFile(t)
	fault := errors.New("the network is down")
	for _, after := range []int{0, 1, 2, 3} {
		r := &failing{bytesAt: data, left: after, err: fault}
		file, err := Open(t.Context(), r, int64(len(data)))
		if err == nil {
			_, err = file.Groups[0].Chunks[0].Verify(t.Context())
		}
		if !errors.Is(err, fault) || errors.Is(err, ErrDamaged) {
			t.Errorf("after %d reads: %v", after, err)
		}
	}
	if _, err := Open(t.Context(), bytesAt(data[:100]), int64(len(data))); !errors.Is(err, ErrDamaged) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of a file that is too short: %v", err)
	}
}

// failing fails after some reads.
type failing struct {
	bytesAt
	left int
	err  error
}

func (f *failing) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, f.err
	}
	return f.bytesAt.ReadAt(ctx, p, off)
}
