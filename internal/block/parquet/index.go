package parquet

import (
	"context"
	"fmt"
	"sort"
)

// Dictionary reads the chunk's dictionary, and nothing else. It is nil if there
// is none.
//
// spare is nil, or a dictionary that nobody reads any more, whose memory is used.
func (c *Chunk) Dictionary(ctx context.Context, spare *Dictionary) (*Dictionary, error) {
	p := c.Pages(ctx)
	p.spare = spare
	memory, ok := c.file.memory.Get().(*[]byte)
	if !ok {
		memory = new([]byte)
	}
	p.memory = *memory
	defer func() {
		*memory = p.memory
		c.file.memory.Put(memory)
	}()
	if err := p.Start(nil); err != nil {
		return nil, err
	}
	return p.dict, nil
}

// DictionaryRange is where Chunk.Dictionary reads.
func (c *Chunk) DictionaryRange() Range {
	if !c.HasDictionary() {
		return Range{}
	}
	return Range{c.start(), c.meta.MetaData.DataPageOffset - c.start()}
}

// Start reads the chunk's dictionary, if it has one, from r, or from the file if
// that is nil.
func (p *Pages) Start(r ReaderAt) error {
	if r != nil {
		p.r = r
	}
	if !p.chunk.HasDictionary() {
		return nil
	}
	end := p.end
	p.end = p.chunk.meta.MetaData.DataPageOffset
	defer func() { p.end = end }()
	h, body, err := p.read()
	if err != nil {
		return p.wrap(err)
	}
	if h.Type != DictionaryPage {
		return p.wrap(fmt.Errorf("%w: type %d where a dictionary is", errPage, h.Type))
	}
	if err := p.dictionary(&h, body); err != nil {
		return p.wrap(err)
	}
	return nil
}

// SetDictionary makes do with a dictionary of the chunk that was read before.
func (p *Pages) SetDictionary(d *Dictionary) { p.dict = d }

// Seek makes a page that the offset index tells of the next one and the last.
// The dictionary, if the chunk has one, must have been read.
func (p *Pages) Seek(at PageLocation) {
	p.window, p.off, p.end, p.sought = nil, at.Offset, at.Offset+int64(at.CompressedSize), true
	p.found = false
}

// maxIndexBytes bounds what OffsetIndexes reads in one.
const maxIndexBytes = 4 << 20

// OffsetIndex reads where the chunk's pages are, and holds it against the chunk.
// It is nil if there is none.
func (c *Chunk) OffsetIndex(ctx context.Context) (*OffsetIndex, error) {
	list, err := OffsetIndexes(ctx, []*Chunk{c})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// OffsetIndexes reads the offset indexes of chunks of one file, which lie next
// to each other. A chunk that has none gets nil.
func OffsetIndexes(ctx context.Context, chunks []*Chunk) ([]*OffsetIndex, error) {
	list := make([]*OffsetIndex, len(chunks))
	var ranges []Range
	for _, c := range chunks {
		if c.meta.OffsetIndexLength > 0 {
			ranges = append(ranges, Range{c.meta.OffsetIndexOffset, int64(c.meta.OffsetIndexLength)})
		}
	}
	if len(ranges) == 0 {
		return list, nil
	}
	got, err := chunks[0].file.Fetch(ctx, nil, ranges, maxIndexBytes, 1)
	if err != nil {
		return nil, err
	}
	for i, c := range chunks {
		if c.meta.OffsetIndexLength == 0 {
			continue
		}
		// Each range was fetched, and is in one part.
		b := got.bytes(c.meta.OffsetIndexOffset, int64(c.meta.OffsetIndexLength))
		if list[i], err = ReadOffsetIndex(b); err == nil {
			err = c.checkOffsets(list[i])
		}
		if err != nil {
			return nil, damaged("offset index of "+c.Column.Path, err)
		}
	}
	return list, nil
}

func (c *Chunk) checkOffsets(x *OffsetIndex) error {
	at, row := c.start(), int64(-1)
	for i, p := range x.Pages {
		if p.CompressedSize <= 0 || p.Offset < at || p.Offset > c.end()-int64(p.CompressedSize) {
			return fmt.Errorf("page %d has %d bytes at %d, in a chunk from %d to %d", i, p.CompressedSize, p.Offset, at, c.end())
		}
		if p.FirstRow <= row && i > 0 || p.FirstRow >= c.rows || (p.FirstRow == 0) != (i == 0) {
			return fmt.Errorf("page %d begins at row %d of %d, after one at row %d", i, p.FirstRow, c.rows, row)
		}
		at, row = p.Offset+int64(p.CompressedSize), p.FirstRow
	}
	if len(x.Pages) == 0 && c.rows > 0 {
		return fmt.Errorf("no pages for %d rows", c.rows)
	}
	return nil
}

// ColumnIndex reads the bounds of the chunk's pages. It is nil if there is none.
// The bounds of text may be cut, so they only exclude.
func (c *Chunk) ColumnIndex(ctx context.Context) (*ColumnIndex, error) {
	if c.meta.ColumnIndexLength == 0 {
		return nil, nil
	}
	b := make([]byte, c.meta.ColumnIndexLength)
	if err := readFull(ctx, c.file.r, b, c.meta.ColumnIndexOffset); err != nil {
		return nil, damaged("column index of "+c.Column.Path, err)
	}
	x, err := ReadColumnIndex(b)
	if err != nil {
		return nil, damaged("column index of "+c.Column.Path, err)
	}
	return x, nil
}

// Find returns the place of the page that has a row, and how many rows it has.
func (x *OffsetIndex) Find(row, rows int64) (at PageLocation, n int64) {
	i := sort.Search(len(x.Pages), func(i int) bool { return x.Pages[i].FirstRow > row }) - 1
	end := rows
	if i+1 < len(x.Pages) {
		end = x.Pages[i+1].FirstRow
	}
	return x.Pages[i], end - x.Pages[i].FirstRow
}
