package block

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"appliance/internal/block/blocktest"
	"appliance/internal/block/parquet"
)

// withoutChecksums writes a data.parquet again whose pages have no checksums, so
// that damage gets as far as the decoders.
func withoutChecksums(t testing.TB, data []byte) []byte {
	t.Helper()
	n := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	meta, err := parquet.ReadFileMetaData(data[len(data)-8-n : len(data)-8])
	if err != nil {
		t.Fatal(err)
	}
	out := []byte(parquet.Magic)
	var places []parquet.OffsetIndex
	for g := range meta.RowGroups {
		for i := range meta.RowGroups[g].Columns {
			c := &meta.RowGroups[g].Columns[i]
			old, err := parquet.ReadOffsetIndex(data[c.OffsetIndexOffset:][:c.OffsetIndexLength])
			if err != nil {
				t.Fatal(err)
			}
			m := &c.MetaData
			pages := data[m.Start():][:m.TotalCompressedSize]
			start, page := int64(len(out)), 0
			for len(pages) > 0 {
				h, length, err := parquet.ReadPageHeader(pages)
				if err != nil {
					t.Fatal(err)
				}
				at := int64(len(out))
				h.HasCRC = false
				out = parquet.AppendPageHeader(out, &h)
				out = append(out, pages[length:length+int(h.CompressedSize)]...)
				pages = pages[length+int(h.CompressedSize):]
				if h.Type == parquet.DictionaryPage {
					m.DictionaryPageOffset = at
					continue
				}
				if page == 0 {
					m.DataPageOffset = at
				}
				old.Pages[page].Offset, old.Pages[page].CompressedSize = at, int32(int64(len(out))-at)
				page++
			}
			m.TotalCompressedSize = int64(len(out)) - start
			places = append(places, *old)
		}
	}
	for g := range meta.RowGroups {
		for i := range meta.RowGroups[g].Columns {
			c := &meta.RowGroups[g].Columns[i]
			at := int64(len(out))
			out = append(out, data[c.ColumnIndexOffset:][:c.ColumnIndexLength]...)
			c.ColumnIndexOffset = at
			c.OffsetIndexOffset = int64(len(out))
			out = parquet.AppendOffsetIndex(out, &places[g*len(meta.RowGroups[g].Columns)+i])
			c.OffsetIndexLength = int32(int64(len(out)) - c.OffsetIndexOffset)
		}
	}
	at := len(out)
	out = parquet.AppendFileMetaData(out, meta)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(out)-at))
	return append(out, parquet.Magic...)
}

// fuzzBlocks are small blocks whose pages have no checksums: ours, and Tempo's.
func fuzzBlocks(t testing.TB) []memory {
	t.Helper()
	dir, _, _ := build(t, blocktest.Records(3, blocktest.Random(3, 6)), BuilderOptions{PageSpans: 20})
	var blocks []memory
	for _, dir := range []string{dir, "testdata/peer/vparquet4", "testdata/peer/vparquet3"} {
		m := loadMemory(t, dir)
		m[DataName] = withoutChecksums(t, m[DataName])
		blocks = append(blocks, m)
	}
	return blocks
}

// openData opens a block whatever its meta.json says of its size.
func openData(t testing.TB, m memory, data []byte) (*Block, error) {
	t.Helper()
	meta, err := ParseMeta(m[MetaName])
	if err != nil {
		t.Fatal(err)
	}
	meta.Size, meta.FooterSize = int64(len(data)), 0
	changed := memory{DataName: data}
	for name, content := range m {
		if name != DataName {
			changed[name] = content
		}
	}
	return OpenMeta(t.Context(), changed, meta, Options{})
}

// Without checksums the blocks are still verified, so what FuzzBlock changes is
// the only damage.
func TestWithoutChecksums(t *testing.T) {
	for i, m := range fuzzBlocks(t) {
		b, err := openData(t, m, m[DataName])
		if err != nil {
			t.Fatal(i, err)
		}
		if r, err := b.Verify(t.Context(), 0); err != nil || r.Spans == 0 {
			t.Errorf("block %d: %+v, %v", i, r, err)
		}
	}
}

// FuzzBlock changes bytes of a block. Whatever is read of it, nothing panics, and
// what is verified can be read.
func FuzzBlock(f *testing.F) {
	blocks := fuzzBlocks(f)
	for i := range blocks {
		for at := range 40 {
			f.Add(byte(i), uint32(at*977), byte(1<<(at%8)), uint32(at*311), byte(0))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, at uint32, change byte, at2 uint32, change2 byte) {
		m := blocks[int(which)%len(blocks)]
		data := append([]byte(nil), m[DataName]...)
		data[int(at)%len(data)] ^= change
		data[int(at2)%len(data)] ^= change2
		b, err := openData(t, m, data)
		if err != nil {
			return
		}
		_, failed := b.Verify(t.Context(), 0)
		readEverything(t, b, failed == nil)
	})
}

// readEverything calls what queries call. Of a block that is whole nothing fails.
func readEverything(t *testing.T, b *Block, whole bool) {
	t.Helper()
	check := func(what string, err error) {
		if err != nil && whole {
			t.Fatalf("%s of a block that was verified: %v", what, err)
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, parquet.ErrUnsupported) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	var ids [][16]byte
	err := Spans(t.Context(), at{t.Context(), b}, b.meta.Size, func(traceID, _ []byte, _ int64) bool {
		if len(traceID) == 16 {
			ids = append(ids, [16]byte(traceID))
		}
		return len(ids) < 1000
	})
	if !errors.Is(err, ErrFormat) {
		check("spans", err)
	}
	for i := 0; i < len(ids); i += 1 + len(ids)/3 {
		_, err := b.Trace(t.Context(), ids[i], nil)
		if !errors.Is(err, ErrNotFound) || whole {
			check("a trace", err)
		}
	}
	for i := range b.RowGroups() {
		g := b.RowGroup(i)
		_, err := g.Shape(t.Context())
		check("the shape", err)
		third := func(from, to uint32) bool { return from%3 == 0 || to-from > 3 }
		for o := range owners {
			for _, key := range []string{"key.1", "key.2", "http.method", "service.name", "cluster"} {
				_, err := g.Attribute(t.Context(), o, key, nil)
				check("an attribute", err)
				_, err = g.Attribute(t.Context(), o, key, third)
				check("an attribute of some spans", err)
			}
		}
		var v parquet.Values
		for _, r := range []Role{SpanName, SpanStart, SpanID, EventName, ScopeName, TraceStart} {
			v.Reset()
			_, _, err := g.Scan(t.Context(), r, third, &v)
			check("a column", err)
		}
		for _, r := range []Role{SpanStatusCode, SpanDuration} {
			err := g.ScanInts(t.Context(), r, func([]int64) error { return nil })
			check("numbers", err)
		}
		g.DropDictionaries(func(*parquet.Dictionary) bool { return false })
	}
}

// at is the data of a block as an io.ReaderAt.
type at struct {
	ctx context.Context
	b   *Block
}

func (a at) ReadAt(p []byte, off int64) (int, error) {
	return a.b.src.ReadAt(a.ctx, DataName, p, off)
}

// TestDamage is FuzzBlock with changes that are drawn.
func TestDamage(t *testing.T) {
	blocks := fuzzBlocks(t)
	r := rand.New(rand.NewPCG(4, 4))
	whole, opened := 0, 0
	for range damages {
		m := blocks[r.IntN(len(blocks))]
		data := append([]byte(nil), m[DataName]...)
		for range 1 + r.IntN(3) {
			data[r.IntN(len(data))] ^= byte(1 << r.IntN(8))
		}
		b, err := openData(t, m, data)
		if err != nil {
			continue
		}
		opened++
		_, failed := b.Verify(t.Context(), 0)
		if failed == nil {
			whole++
		}
		readEverything(t, b, failed == nil)
	}
	t.Logf("of %d damaged blocks %d were opened and %d verified", damages, opened, whole)
}

const damages = 150
