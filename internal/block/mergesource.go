package block

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"appliance/internal/block/parquet"
)

// MergeSource is a block whose traces a Merger takes, one after the other in the
// order of their ids. It reads all columns page by page, so the pages of all have
// to end with the same rows, as those of a Builder do.
type MergeSource struct {
	ctx    context.Context
	block  *Block
	set    *pageSet
	copies []columnCopy // one a column of the schema
	groups int          // that were begun
	row    int          // of the current pages
	begun  bool
	id     [16]byte
	rows   *rowReader // nil until a trace is read as OTLP
}

// columnCopy is where in the current page of a column the current row is.
type columnCopy struct {
	levels levelsOf
	driver int // the column with the levels of its list
	// The entries and the values of the row, where levels is not that of others.
	entry, entryEnd int
	value, valueEnd int
}

// levelsOf says whose levels a column has in a page.
type levelsOf uint8

const (
	levelsNone   levelsOf = iota // an entry a row
	levelsDriver                 // it is the driver of a list
	levelsList                   // those of the driver: a value in each element
	levelsOwn
	levelsEmpty // those of the driver, and no value
)

// NewMergeSource begins before the first trace of a block.
func NewMergeSource(ctx context.Context, b *Block) (*MergeSource, error) {
	if b.meta.Format != FormatVParquet4 {
		return nil, fmt.Errorf("merge block %s as columns: it has format %s, not %s", b.meta.BlockID, b.meta.Format, FormatVParquet4)
	}
	s := &MergeSource{ctx: ctx, block: b, set: newPageSet(b.layout)}
	s.copies = make([]columnCopy, len(b.columns))
	for i := range s.copies {
		if l, ok := listOfRole(b.layout.schema.Columns[i].Role); ok {
			s.copies[i].driver = b.layout.role(l.driver)
		}
	}
	return s, nil
}

// ID is the id of the current trace.
func (s *MergeSource) ID() *[16]byte { return &s.id }

// Spans is how many spans the current trace has.
func (s *MergeSource) Spans() int {
	c := &s.copies[s.set.role(SpanID)]
	return c.valueEnd - c.value
}

// Next goes to the next trace. It returns false after the last.
func (s *MergeSource) Next() (bool, error) {
	s.row++
	for !s.begun || s.row >= s.set.rows {
		if more, err := s.load(); err != nil || !more {
			return false, damaged(err)
		}
	}
	for i := range s.copies {
		c := &s.copies[i]
		switch c.levels {
		case levelsNone:
			c.entry, c.entryEnd, c.value, c.valueEnd = s.row, s.row+1, s.row, s.row+1
		case levelsDriver, levelsOwn:
			c.advance(&s.set.values[i], s.set.schema.Columns[i].MaxDef)
		}
	}
	raw := s.set.text(s.set.role(TraceID), s.row)
	if len(raw) != len(s.id) {
		return false, fmt.Errorf("%w: a trace id of %d bytes", ErrDamaged, len(raw))
	}
	copy(s.id[:], raw)
	return true, nil
}

// advance goes on to the next row.
func (c *columnCopy) advance(v *parquet.Values, maxDef uint8) {
	c.entry, c.value = c.entryEnd, c.valueEnd
	c.entryEnd = len(v.Rep)
	if n := bytes.IndexByte(v.Rep[c.entry+1:], 0); n >= 0 {
		c.entryEnd = c.entry + 1 + n
	}
	c.valueEnd = c.value + bytes.Count(v.Def[c.entry:c.entryEnd], []byte{maxDef})
}

// load reads the next pages. It returns false after the last.
func (s *MergeSource) load() (bool, error) {
	for {
		err := io.EOF
		if s.begun {
			err = s.set.next()
		}
		if err == nil {
			s.page()
			return true, nil
		}
		if !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("row group %d: %w", s.groups-1, err)
		}
		if s.groups == s.block.RowGroups() {
			return false, nil
		}
		if err := s.set.start(s.ctx, s.block, s.groups); err != nil {
			return false, fmt.Errorf("row group %d: %w", s.groups, err)
		}
		s.groups++
		s.begun = true
	}
}

// page begins with the first row of pages.
func (s *MergeSource) page() {
	s.row = 0
	for i := range s.copies {
		c, column := &s.copies[i], &s.set.schema.Columns[i]
		*c = columnCopy{driver: c.driver}
		l, ok := listOfRole(column.Role)
		v := &s.set.values[i]
		switch {
		case !ok:
			c.levels = levelsNone
		case column.Role == l.driver:
			c.levels = levelsDriver
		case column.MaxDef == l.level:
			c.levels = levelsList
		case bytes.IndexByte(v.Def, column.MaxDef) < 0:
			c.levels = levelsEmpty
		default:
			c.levels = levelsOwn
		}
	}
}

// part is where a column's entries and values of the row are.
func (s *MergeSource) part(i int) *columnCopy {
	if c := &s.copies[i]; c.levels != levelsList {
		return c
	}
	return &s.copies[s.copies[i].driver]
}

// sealedPages stand for those of a cursor that reads no further.
var sealedPages = &parquet.Pages{}

// record appends the current trace as OTLP TracesData.
func (s *MergeSource) record(dst []byte) ([]byte, error) {
	if s.rows == nil {
		s.rows = newRowReader(s.set.layout)
	}
	r := s.rows
	r.err = nil
	for i := range r.cursors {
		c := &r.cursors[i]
		*c = cursor{}
		if !r.needed[i] || s.copies[i].levels == levelsEmpty {
			continue
		}
		part, column := s.part(i), &r.schema.Columns[i]
		*c = cursor{
			pages: sealedPages, sealed: true, dict: s.set.readers[i].Dictionary(), v: s.set.values[i],
			entry: part.entry, value: part.value, maxRep: column.MaxRep, maxDef: column.MaxDef,
		}
	}
	dst, err := r.trace(dst)
	if err != nil {
		return dst, damaged(fmt.Errorf("trace %x: %w", s.id, err))
	}
	return dst, nil
}
