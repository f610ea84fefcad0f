package block

import (
	"cmp"
	"context"
	"slices"

	"appliance/internal/block/parquet"
)

// seek makes a row of a row group the next one, in so many goroutines where there is
// much to do. It reads one page of each column that has values.
func (r *rowReader) seek(ctx context.Context, b *Block, group int, row int64, goroutines int) error {
	if err := r.start(ctx, b, group); err != nil {
		return err
	}
	var columns []soughtColumn
	var chunks []*parquet.Chunk
	for i := range r.cursors {
		if r.cursors[i].pages != nil {
			columns = append(columns, soughtColumn{index: i, skip: row})
			chunks = append(chunks, &b.file.Groups[group].Chunks[b.columns[i]])
		}
	}
	places, err := parquet.OffsetIndexes(ctx, chunks)
	if err != nil {
		return err
	}
	var ranges []parquet.Range
	all := int64(0)
	for k, x := range places {
		if x == nil {
			continue // then all pages before it are read
		}
		c := &columns[k]
		var rows int64
		c.page, rows = x.Find(row, chunks[k].Rows())
		c.skip = row - c.page.FirstRow
		r.cursors[c.index].rows = int(rows)
		page, dict := parquet.Range{Offset: c.page.Offset, Length: int64(c.page.CompressedSize)}, chunks[k].DictionaryRange()
		if ranges = append(ranges, page); dict.Length > 0 {
			ranges = append(ranges, dict)
		}
		c.bytes = page.Length + dict.Length
		all += c.bytes
	}
	if r.fetched, err = b.file.Fetch(ctx, r.fetched, ranges, b.opts.Gap, b.opts.Parallel); err != nil {
		return err
	}
	if all < besideBytes {
		goroutines = 1
	}
	// The largest first, so that the goroutines end at about the same time.
	slices.SortFunc(columns, func(a, b soughtColumn) int { return cmp.Compare(b.bytes, a.bytes) })
	beside(len(columns), goroutines, func(k int) { columns[k].err = r.seekColumn(&columns[k]) })
	for k := range columns {
		if err := columns[k].err; err != nil {
			r.fail(columns[k].index, err)
		}
	}
	return r.err
}

// besideBytes is from how many bytes of pages on, as they are stored, it is worth to
// decode them in several goroutines: some 200 us of work.
const besideBytes = 128 << 10

// soughtColumn is a column on the way to a row.
type soughtColumn struct {
	index int                  // of the column
	page  parquet.PageLocation // zero where there is no offset index
	skip  int64                // rows, of those of the page if that is known
	bytes int64
	err   error
}

// seekColumn decodes the page that has the row. Columns are independent of each other.
func (r *rowReader) seekColumn(s *soughtColumn) error {
	c := &r.cursors[s.index]
	if s.page.CompressedSize > 0 {
		if err := c.pages.Start(r.fetched); err != nil {
			return err
		}
		c.pages.Seek(s.page)
	}
	return c.skip(s.skip)
}
