package parquet

import (
	"encoding/binary"
	"hash/crc32"
)

// Page is one data page of a column, encoded and not yet compressed.
type Page struct {
	Rows    int    // that begin in the page; none goes on in the next
	Entries int    // values and nulls
	Nulls   int    // of the entries
	Rep     []byte // repetition levels, as AppendHybrid writes them; not read where there are none
	Def     []byte // definition levels, likewise
	Values  []byte
	Bounds  Bounds
}

// Bounds are the least and the greatest value of a page or chunk, in the PLAIN
// encoding without a length. Both are nil where there are only nulls.
type Bounds struct{ Min, Max []byte }

// ChunkWriter collects the pages of one column in one row group, compressed.
// Data pages are of version 1, in which levels are compressed with the values:
// in blocks levels would else take a third of the file.
type ChunkWriter struct {
	Path           []string
	Type           Type
	Encoding       Encoding // of values
	MaxRep, MaxDef uint8
	Compressor     *Compressor           // nil writes the chunk uncompressed
	Compare        func(a, b []byte) int // the order of bounds

	rows, entries, nulls int64
	uncompressed         int64
	pages                []byte // with headers
	dictionary           []byte // likewise; empty if there is none
	locations            []PageLocation
	index                ColumnIndex
	body                 []byte // of the current page
	packed               []byte
}

// Reset begins a new chunk.
func (c *ChunkWriter) Reset() {
	c.rows, c.entries, c.nulls, c.uncompressed = 0, 0, 0, 0
	c.pages, c.dictionary, c.locations = c.pages[:0], c.dictionary[:0], c.locations[:0]
	c.index.NullPages, c.index.NullCounts = c.index.NullPages[:0], c.index.NullCounts[:0]
	c.index.Min, c.index.Max = c.index.Min[:0], c.index.Max[:0]
}

// Size is the length of the pages so far in bytes.
func (c *ChunkWriter) Size() int { return len(c.pages) + len(c.dictionary) }

// AddPage adds a data page. Nothing of it is kept but the bounds.
func (c *ChunkWriter) AddPage(p *Page) {
	c.body = c.body[:0]
	if c.MaxRep > 0 {
		c.body = appendLevels(c.body, p.Rep)
	}
	if c.MaxDef > 0 {
		c.body = appendLevels(c.body, p.Def)
	}
	c.body = append(c.body, p.Values...)
	start := len(c.pages)
	c.pages = c.appendPage(c.pages, &PageHeader{Type: DataPage, V1: DataPageHeader{
		NumValues: int32(p.Entries), Encoding: c.Encoding, DefinitionEncoding: RLE, RepetitionEncoding: RLE,
	}})
	c.locations = append(c.locations, PageLocation{
		Offset: int64(start), CompressedSize: int32(len(c.pages) - start), FirstRow: c.rows,
	})
	c.rows += int64(p.Rows)
	c.entries += int64(p.Entries)
	c.nulls += int64(p.Nulls)
	c.index.NullPages = append(c.index.NullPages, p.Nulls == p.Entries)
	c.index.NullCounts = append(c.index.NullCounts, int64(p.Nulls))
	c.index.Min = append(c.index.Min, p.Bounds.Min)
	c.index.Max = append(c.index.Max, p.Bounds.Max)
}

func appendLevels(dst, levels []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(levels)))
	return append(dst, levels...)
}

// SetDictionary adds the page with the chunk's n distinct values, which are in
// the PLAIN encoding.
func (c *ChunkWriter) SetDictionary(values []byte, n int) {
	c.body = append(c.body[:0], values...)
	c.dictionary = c.appendPage(c.dictionary, &PageHeader{
		Type: DictionaryPage, Dictionary: DictionaryPageHeader{NumValues: int32(n), Encoding: Plain},
	})
}

// appendPage appends the header and the body.
func (c *ChunkWriter) appendPage(dst []byte, h *PageHeader) []byte {
	h.UncompressedSize = int32(len(c.body))
	packed := c.body
	if c.Compressor != nil {
		c.packed = c.Compressor.append(c.packed[:0], c.body)
		packed = c.packed
	}
	h.CompressedSize = int32(len(packed))
	h.HasCRC, h.CRC = true, crc32.ChecksumIEEE(packed)
	start := len(dst)
	dst = AppendPageHeader(dst, h)
	c.uncompressed += int64(len(dst)-start) + int64(len(c.body))
	return append(dst, packed...)
}

// Finish returns the bytes of the chunk, in two parts, which begin at offset of
// the file, and what the footer and the indexes say of it. All slices are valid
// until Reset.
func (c *ChunkWriter) Finish(offset int64) (pages [2][]byte, meta ColumnMetaData, index *ColumnIndex, locations []PageLocation) {
	codec := Uncompressed
	if c.Compressor != nil {
		codec = Zstd
	}
	bounds := c.bounds()
	meta = ColumnMetaData{
		Type: c.Type, Path: c.Path, Codec: codec, NumValues: c.entries,
		TotalUncompressedSize: c.uncompressed, TotalCompressedSize: int64(c.Size()),
		DataPageOffset: offset + int64(len(c.dictionary)),
		Statistics:     Statistics{HasNullCount: true, NullCount: c.nulls, Min: bounds.Min, Max: bounds.Max},
	}
	if len(c.dictionary) > 0 {
		meta.DictionaryPageOffset = offset
		meta.Encodings = append(meta.Encodings, Plain)
		meta.EncodingStats = append(meta.EncodingStats, PageEncodingStats{DictionaryPage, Plain, 1})
	}
	if c.MaxDef > 0 || c.MaxRep > 0 {
		meta.Encodings = append(meta.Encodings, RLE)
	}
	meta.Encodings = append(meta.Encodings, c.Encoding)
	meta.EncodingStats = append(meta.EncodingStats, PageEncodingStats{DataPage, c.Encoding, int32(len(c.locations))})
	for i := range c.locations {
		c.locations[i].Offset += meta.DataPageOffset
	}
	return [2][]byte{c.dictionary, c.pages}, meta, &c.index, c.locations
}

// bounds are those of all pages.
func (c *ChunkWriter) bounds() (all Bounds) {
	for i, null := range c.index.NullPages {
		if null {
			continue
		}
		if all.Min == nil || c.Compare(c.index.Min[i], all.Min) < 0 {
			all.Min = c.index.Min[i]
		}
		if all.Max == nil || c.Compare(c.index.Max[i], all.Max) > 0 {
			all.Max = c.index.Max[i]
		}
	}
	return all
}
