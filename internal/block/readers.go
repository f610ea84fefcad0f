package block

import (
	"context"
	"sync"

	"appliance/internal/block/parquet"
)

// Readers is the memory that blocks are read with: for a trace the pages and
// dictionaries of one row group, some megabytes for each trace that is read at the same
// time; for a column a page. Blocks that share one need it once. What nobody uses goes
// with the garbage. The zero value is ready, and may be used by several at a time.
type Readers struct {
	idle  sync.Pool // of *rowReader
	pages sync.Pool // of *pageReader
	dicts sync.Pool // of *parquet.Dictionary, large ones that nobody reads any more
}

// get is a rowReader for a layout that nobody else uses. Give it back with put.
func (m *Readers) get(l *layout, fields *Fields) *rowReader {
	r, ok := m.idle.Get().(*rowReader)
	if !ok {
		r = &rowReader{}
	}
	r.use(l, fields)
	return r
}

// put keeps the memory of a rowReader, and nothing of the block that it has read.
func (m *Readers) put(r *rowReader) {
	r.release()
	m.idle.Put(r)
}

// pageReader reads the pages of a column, one after the other.
type pageReader struct {
	parquet.Pages
	page parquet.Values
}

// pagesOf is a pageReader that begins with the first page of a column. Give it back
// with giveBack.
func (m *Readers) pagesOf(ctx context.Context, c *parquet.Chunk) *pageReader {
	r, ok := m.pages.Get().(*pageReader)
	if !ok {
		r = &pageReader{}
	}
	r.Reset(ctx, c)
	r.page.Reset()
	return r
}

// giveBack keeps the memory of a pageReader, but for that of its dictionary, which may
// be read on.
func (m *Readers) giveBack(r *pageReader) {
	r.SetDictionary(nil)
	r.Release()
	m.pages.Put(r)
}
