package parquet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Verify reads each page of the chunk, and holds it against the statistics, the
// offset index and the column index. It returns how many data pages there are.
func (c *Chunk) Verify(ctx context.Context) (pages int64, err error) {
	var v Verifier
	var values Values
	if err := v.Start(ctx, c); err != nil {
		return 0, err
	}
	for {
		values.Reset()
		if err := v.Next(&values); errors.Is(err, io.EOF) {
			return v.count, nil
		} else if err != nil {
			return v.count, err
		}
	}
}

// VerifyHead says whether the file begins as one of Parquet does. Nothing here
// reads that, and other readers refuse a file without.
func (f *File) VerifyHead(ctx context.Context) error {
	var head [len(Magic)]byte
	if err := readFull(ctx, f.r, head[:], 0); err != nil {
		return damaged("head", err)
	}
	if string(head[:]) != Magic {
		return damaged("head", fmt.Errorf("it begins with %q, not %q", head[:], Magic))
	}
	return nil
}

// Verifier reads the pages of a chunk as Pages does, and holds them against what
// is said of them. The zero Verifier is to be started.
type Verifier struct {
	pages  Pages
	chunk  *Chunk
	places *OffsetIndex
	index  *ColumnIndex
	stats  Statistics
	count  int64 // pages
	rows   int64
	nulls  int64
	used   []bool // dictionary entries in the page
}

// Start begins with the first page of a chunk, in the memory that is there.
func (v *Verifier) Start(ctx context.Context, c *Chunk) error {
	places, err := c.OffsetIndex(ctx)
	if err != nil {
		return err
	}
	index, err := c.ColumnIndex(ctx)
	if err != nil {
		return err
	}
	if places == nil || index == nil {
		return damaged(c.Column.Path, errors.New("it has no offset index, or no column index"))
	}
	v.pages.Reset(ctx, c)
	v.pages.kinds = map[PageEncodingStats]int32{}
	v.chunk, v.places, v.index, v.stats = c, places, index, c.Statistics()
	v.count, v.rows, v.nulls = 0, 0, 0
	return nil
}

// Dictionary is that of the chunk, or nil if it has none. It is read with the
// first page.
func (v *Verifier) Dictionary() *Dictionary { return v.pages.dict }

// Count is how many data pages were read.
func (v *Verifier) Count() int64 { return v.count }

// Next reads the next data page into dst, which is empty. It returns io.EOF
// after the last one, if all of the chunk was right.
func (v *Verifier) Next(dst *Values) error {
	p := &v.pages
	if err := p.Next(dst); errors.Is(err, io.EOF) {
		if err := v.end(); err != nil {
			return err
		}
		return io.EOF
	} else if err != nil {
		return err
	}
	if err := v.page(dst); err != nil {
		return p.wrap(err)
	}
	return nil
}

// end holds the whole chunk against what is said of it.
func (v *Verifier) end() error {
	p := &v.pages
	if int64(len(v.places.Pages)) != v.count || int64(len(v.index.NullPages)) != v.count {
		return p.wrap(fmt.Errorf("%d pages, and the indexes have %d and %d", v.count, len(v.places.Pages), len(v.index.NullPages)))
	}
	if v.stats.HasNullCount && v.stats.NullCount != v.nulls {
		return p.wrap(fmt.Errorf("%d nulls, and the statistics say %d", v.nulls, v.stats.NullCount))
	}
	for _, s := range v.chunk.meta.MetaData.EncodingStats {
		count := s.Count
		if s.Count = 0; p.kinds[s] != count {
			return p.wrap(fmt.Errorf("%d pages of type %d, encoding %d, and the footer says %d", p.kinds[s], s.PageType, s.Encoding, count))
		}
	}
	return nil
}

// page takes the page that was read last.
func (v *Verifier) page(values *Values) error {
	p, i := &v.pages, v.count
	v.count++
	if first := v.chunk.meta.MetaData.DataPageOffset; i == 0 && p.began != first {
		return fmt.Errorf("the first page is at %d, and the footer says %d", p.began, first)
	}
	if i >= int64(len(v.places.Pages)) || i >= int64(len(v.index.NullPages)) {
		return errors.New("the indexes have fewer pages")
	}
	at := v.places.Pages[i]
	if at.Offset+int64(at.CompressedSize) != p.off || at.Offset != p.began || at.FirstRow != v.rows {
		return fmt.Errorf("the page is from %d to %d and begins with row %d, and the offset index says %+v", p.began, p.off, v.rows, at)
	}
	count := values.Entries
	if v.chunk.Column.MaxDef > 0 {
		count = bytes.Count(values.Def, []byte{v.chunk.Column.MaxDef})
	}
	nulls := int64(values.Entries - count)
	v.rows += int64(values.Rows)
	v.nulls += nulls
	if err := v.bounds(values, v.stats.Min, v.stats.Max); err != nil {
		return fmt.Errorf("statistics: %w", err)
	}
	if v.index.NullPages[i] != (count == 0) || v.index.NullCounts != nil && v.index.NullCounts[i] != nulls {
		return fmt.Errorf("%d values and %d nulls, and the column index says otherwise", count, nulls)
	}
	if count == 0 {
		return nil
	}
	if bytes.Equal(v.index.Min[i], v.stats.Min) && bytes.Equal(v.index.Max[i], v.stats.Max) {
		return nil
	}
	if err := v.bounds(values, v.index.Min[i], v.index.Max[i]); err != nil {
		return fmt.Errorf("column index: %w", err)
	}
	return nil
}

// errBounds says that a value is outside of the bounds.
var errBounds = errors.New("a value is out of bounds")

// bounds says whether each value of the page is within two bounds. A bound that
// is nil allows all. Those of doubles are not looked at: parquet-go computes
// wrong ones where a value is NaN, and nothing may rely on them.
func (v *Verifier) bounds(values *Values, low, high []byte) error {
	if low == nil || high == nil {
		return nil
	}
	column := v.chunk.Column
	switch column.Type {
	case ByteArray, FixedLenByteArray:
		return v.textBounds(values, low, high)
	case Int32, Int64:
		width := 8
		if column.Type == Int32 {
			width = 4
		}
		if len(values.Ints) == 0 {
			return nil
		}
		if len(low) != width || len(high) != width {
			return fmt.Errorf("bounds of %d and %d bytes", len(low), len(high))
		}
		least, most := integer(low), integer(high)
		for _, n := range values.Ints {
			if column.Unsigned && (v.unsigned(n) < v.unsigned(least) || v.unsigned(n) > v.unsigned(most)) ||
				!column.Unsigned && (n < least || n > most) {
				return fmt.Errorf("%w: %d from %d to %d", errBounds, n, least, most)
			}
		}
	}
	return nil
}

func (v *Verifier) unsigned(n int64) uint64 {
	if v.chunk.Column.Type == Int32 {
		return uint64(uint32(n))
	}
	return uint64(n)
}

func integer(b []byte) int64 {
	if len(b) == 4 {
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

func (v *Verifier) textBounds(values *Values, low, high []byte) error {
	check := func(s []byte) error {
		if bytes.Compare(s, low) < 0 || bytes.Compare(s, high) > 0 {
			return fmt.Errorf("%w: %.40q from %.40q to %.40q", errBounds, s, low, high)
		}
		return nil
	}
	for i := range values.Bytes.Len() {
		if err := check(values.Bytes.At(i)); err != nil {
			return err
		}
	}
	if len(values.IDs) == 0 {
		return nil
	}
	// Each value is compared once, however often it occurs.
	v.used = grow(v.used[:0], v.pages.dict.Len())
	clear(v.used)
	for _, id := range values.IDs {
		if !v.used[id] {
			v.used[id] = true
			if err := check(v.pages.dict.At(id)); err != nil {
				return err
			}
		}
	}
	return nil
}
