package parquet

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
)

// Page is what a data page of a column has beside its values, encoded and not yet
// compressed.
type Page struct {
	Rows    int    // that begin in the page; none goes on in the next
	Entries int    // values and nulls
	Nulls   int    // of the entries
	Rep     []byte // repetition levels, as AppendHybrid writes them; not read where there are none
	Def     []byte // definition levels, likewise
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
	Compress       bool                  // with Snappy
	Compare        func(a, b []byte) int // the order of bounds
	Memory         *PageMemory           // of the pages

	rows, entries, nulls int64
	uncompressed, size   int64
	pages                [][]byte // with headers; the dictionary's is added last
	dictionary           int64    // length of its page; 0 if there is none
	locations            []PageLocation
	index                ColumnIndex
}

// PageMemory is the memory of the pages of a row group, whose columns share it:
// blocks that are used again for the next row group, so that nothing grows by
// being copied.
type PageMemory struct {
	Take func(n int) []byte // where memory comes from; nil is make

	blocks [][]byte
	used   int // blocks
	size   int // bytes of pages

	body, header     []byte // of the page that is being made
	last, lastPacked []byte // a body that was compressed, and what it became
}

const (
	memoryBlock = 512 << 10
	maxHeader   = 64      // bytes of a page's header, more than any has
	mostAgain   = 4 << 10 // bytes of a body that is remembered
)

// Reset makes the memory free again.
func (m *PageMemory) Reset() {
	for i := range m.blocks {
		m.blocks[i] = m.blocks[i][:0]
	}
	m.used, m.size = 0, 0
	m.last, m.lastPacked = m.last[:0], nil
}

// Size is the length of all pages in bytes.
func (m *PageMemory) Size() int { return m.size }

func (m *PageMemory) take(n int) []byte {
	if m.Take == nil {
		return make([]byte, n)
	}
	return m.Take(n)
}

// room returns n bytes that are not in use. They stay so unless use is called.
func (m *PageMemory) room(n int) []byte {
	for ; m.used < len(m.blocks); m.used++ {
		if b := m.blocks[m.used]; cap(b)-len(b) >= n {
			return b[len(b) : len(b)+n]
		}
	}
	m.blocks = append(m.blocks, m.take(max(n, memoryBlock))[:0])
	return m.blocks[m.used][:n]
}

// use takes the first n bytes of room.
func (m *PageMemory) use(n int) {
	b := m.blocks[m.used]
	m.blocks[m.used] = b[:len(b)+n]
	m.size += n
}

// Reset begins a new chunk.
func (c *ChunkWriter) Reset() {
	c.rows, c.entries, c.nulls, c.uncompressed, c.size, c.dictionary = 0, 0, 0, 0, 0, 0
	c.pages, c.locations = c.pages[:0], c.locations[:0]
	c.index.NullPages, c.index.NullCounts = c.index.NullPages[:0], c.index.NullCounts[:0]
	c.index.Min, c.index.Max = c.index.Min[:0], c.index.Max[:0]
}

// A ValueEncoder appends the values of a page.
type ValueEncoder interface {
	AppendValues(dst []byte) []byte
}

// AddPage adds a data page. Nothing of it is kept but the bounds.
func (c *ChunkWriter) AddPage(p *Page, values ValueEncoder) {
	if c.Memory.body == nil {
		c.Memory.body = c.Memory.take(memoryBlock)
	}
	body := c.Memory.body[:0]
	if c.MaxRep > 0 {
		body = appendLevels(body, p.Rep)
	}
	if c.MaxDef > 0 {
		body = appendLevels(body, p.Def)
	}
	body = values.AppendValues(body)
	c.Memory.body = body
	n := c.addPage(body, &PageHeader{Type: DataPage, V1: DataPageHeader{
		NumValues: int32(p.Entries), Encoding: c.Encoding, DefinitionEncoding: RLE, RepetitionEncoding: RLE,
	}})
	c.locations = append(c.locations, PageLocation{Offset: c.size - n, CompressedSize: int32(n), FirstRow: c.rows})
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
// the PLAIN encoding. It is the last page to be added.
func (c *ChunkWriter) SetDictionary(values []byte, n int) {
	c.dictionary = c.addPage(values, &PageHeader{
		Type: DictionaryPage, Dictionary: DictionaryPageHeader{NumValues: int32(n), Encoding: Plain},
	})
}

// addPage adds a page, and returns its length with the header.
func (c *ChunkWriter) addPage(body []byte, h *PageHeader) int64 {
	m := c.Memory
	room, packed := m.pack(body, c.Compress)
	h.UncompressedSize, h.CompressedSize = int32(len(body)), int32(len(packed))
	h.HasCRC, h.CRC = true, crc32.ChecksumIEEE(packed)
	m.header = AppendPageHeader(m.header[:0], h)
	// The header goes right before the body, whose length it has.
	from, to := maxHeader-len(m.header), maxHeader+len(packed)
	copy(room[from:], m.header)
	m.use(to)
	c.pages = append(c.pages, room[from:to:to])
	c.uncompressed += int64(len(m.header) + len(body))
	c.size += int64(to - from)
	return int64(to - from)
}

// pack returns room in which a page's body is, compressed or not, behind room for
// its header. Where a column has only nulls its pages are often those of the
// column before.
func (m *PageMemory) pack(body []byte, compress bool) (room, packed []byte) {
	if !compress {
		room = m.room(maxHeader + len(body))
		return room, append(room[:maxHeader], body...)[maxHeader:]
	}
	room = m.room(maxHeader + max(len(m.lastPacked), s2.MaxEncodedLen(len(body))))
	if m.lastPacked != nil && bytes.Equal(body, m.last) {
		return room, append(room[:maxHeader], m.lastPacked...)[maxHeader:]
	}
	packed = packSnappy(room[maxHeader:], body)
	if len(body) <= mostAgain {
		m.last, m.lastPacked = append(m.last[:0], body...), packed
	}
	return room, packed
}

// Finish appends the bytes of the chunk, which begin at offset of the file, to
// bufs, and returns what the footer and the indexes say of it. All slices are
// valid until Reset.
func (c *ChunkWriter) Finish(bufs [][]byte, offset int64) (_ [][]byte, meta ColumnMetaData, index *ColumnIndex, locations []PageLocation) {
	codec := Uncompressed
	if c.Compress {
		codec = Snappy
	}
	bounds := c.bounds()
	meta = ColumnMetaData{
		Type: c.Type, Path: c.Path, Codec: codec, NumValues: c.entries,
		TotalUncompressedSize: c.uncompressed, TotalCompressedSize: c.size,
		DataPageOffset: offset + c.dictionary,
		Statistics:     Statistics{HasNullCount: true, NullCount: c.nulls, Min: bounds.Min, Max: bounds.Max},
	}
	if c.dictionary > 0 {
		last := len(c.pages) - 1
		bufs = append(bufs, c.pages[last])
		c.pages = c.pages[:last]
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
	return append(bufs, c.pages...), meta, &c.index, c.locations
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
