package block

import (
	"context"
	"sync"

	"appliance/internal/block/parquet"
)

// Readers is the memory that blocks are read with: for a trace the pages and
// dictionaries of one row group, some megabytes for each trace that is read at the same
// time; for a column a page. Blocks that share one need it once. What nobody uses goes
// with the garbage, and what a large trace has made larger than mostKept is not kept.
// The zero value is ready, and may be used by several at a time.
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
	if r.release(); r.held() <= mostKept {
		m.idle.Put(r)
	}
}

// held is how many bytes of memory it has.
func (r *rowReader) held() int {
	n := cap(r.out) + r.fetched.Held()
	for i := range r.cursors {
		c := &r.cursors[i]
		n += c.v.Held()
		if c.memory != nil {
			n += c.memory.Held()
		}
	}
	return n
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
	if r.Release(); r.Held()+r.page.Held() <= mostKept {
		m.pages.Put(r)
	}
}

// giveBackDictionary keeps the memory of a large dictionary that nobody reads any more.
func (m *Readers) giveBackDictionary(d *parquet.Dictionary) {
	if d.Held() <= mostKept {
		m.dicts.Put(d)
	}
}
