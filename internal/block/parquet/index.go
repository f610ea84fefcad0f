package parquet

import (
	"context"
	"fmt"
)

// Dictionary reads the chunk's dictionary, and nothing else. It is nil if there
// is none.
func (c *Chunk) Dictionary(ctx context.Context) (*Dictionary, error) {
	if !c.HasDictionary() {
		return nil, nil
	}
	p := c.Pages(ctx)
	p.end = c.meta.MetaData.DataPageOffset
	h, body, err := p.read()
	if err != nil {
		return nil, p.wrap(err)
	}
	if h.Type != DictionaryPage {
		return nil, p.wrap(fmt.Errorf("%w: type %d where a dictionary is", errPage, h.Type))
	}
	if err := p.dictionary(&h, body); err != nil {
		return nil, p.wrap(err)
	}
	return p.dict, nil
}

// OffsetIndex reads where the chunk's pages are, and holds it against the chunk.
// It is nil if there is none.
func (c *Chunk) OffsetIndex(ctx context.Context) (*OffsetIndex, error) {
	if c.meta.OffsetIndexLength == 0 {
		return nil, nil
	}
	b := make([]byte, c.meta.OffsetIndexLength)
	err := readFull(ctx, c.file.r, b, c.meta.OffsetIndexOffset)
	if err != nil {
		return nil, damaged("offset index of "+c.Column.Path, err)
	}
	x, err := ReadOffsetIndex(b)
	if err == nil {
		err = c.checkOffsets(x)
	}
	if err != nil {
		return nil, damaged("offset index of "+c.Column.Path, err)
	}
	return x, nil
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

// Seek makes a page that the offset index tells of the next one and the last.
// The dictionary, if the chunk has one, is Chunk.Dictionary's.
func (p *Pages) Seek(at PageLocation, dict *Dictionary) {
	p.window, p.off, p.end, p.sought = nil, at.Offset, at.Offset+int64(at.CompressedSize), true
	p.dict = dict
}
