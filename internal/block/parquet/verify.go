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
	places, err := c.OffsetIndex(ctx)
	if err != nil {
		return 0, err
	}
	index, err := c.ColumnIndex(ctx)
	if err != nil {
		return 0, err
	}
	if places == nil || index == nil {
		return 0, damaged(c.Column.Path, errors.New("it has no offset index, or no column index"))
	}
	v := verifier{chunk: c, places: places, index: index, stats: c.Statistics()}
	p := c.Pages(ctx)
	p.kinds = map[PageEncodingStats]int32{}
	for {
		v.values.Reset()
		err := p.Next(&v.values)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return v.pages, err
		}
		if err := v.page(p); err != nil {
			return v.pages, p.wrap(err)
		}
	}
	if int64(len(places.Pages)) != v.pages || int64(len(index.NullPages)) != v.pages {
		return v.pages, p.wrap(fmt.Errorf("%d pages, and the indexes have %d and %d", v.pages, len(places.Pages), len(index.NullPages)))
	}
	if v.stats.HasNullCount && v.stats.NullCount != v.nulls {
		return v.pages, p.wrap(fmt.Errorf("%d nulls, and the statistics say %d", v.nulls, v.stats.NullCount))
	}
	for _, s := range c.meta.MetaData.EncodingStats {
		count := s.Count
		if s.Count = 0; p.kinds[s] != count {
			return v.pages, p.wrap(fmt.Errorf("%d pages of type %d, encoding %d, and the footer says %d", p.kinds[s], s.PageType, s.Encoding, count))
		}
	}
	return v.pages, nil
}

// verifier holds the pages of a chunk against what is said of them.
type verifier struct {
	chunk  *Chunk
	places *OffsetIndex
	index  *ColumnIndex
	stats  Statistics
	values Values
	pages  int64
	rows   int64
	nulls  int64
	used   []bool // dictionary entries in the page
}

// page takes the page that p read last.
func (v *verifier) page(p *Pages) error {
	i := v.pages
	v.pages++
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
	count := v.count()
	nulls := int64(v.values.Entries - count)
	v.rows += int64(v.values.Rows)
	v.nulls += nulls
	if err := v.bounds(p, v.stats.Min, v.stats.Max); err != nil {
		return fmt.Errorf("statistics: %w", err)
	}
	if v.index.NullPages[i] != (count == 0) || v.index.NullCounts != nil && v.index.NullCounts[i] != nulls {
		return fmt.Errorf("%d values and %d nulls, and the column index says otherwise", count, nulls)
	}
	if count == 0 {
		return nil
	}
	if err := v.bounds(p, v.index.Min[i], v.index.Max[i]); err != nil {
		return fmt.Errorf("column index: %w", err)
	}
	return nil
}

// count is how many values the page has.
func (v *verifier) count() int {
	if v.chunk.Column.MaxDef == 0 {
		return v.values.Entries
	}
	return bytes.Count(v.values.Def, []byte{v.chunk.Column.MaxDef})
}

// errBounds says that a value is outside of the bounds.
var errBounds = errors.New("a value is out of bounds")

// bounds says whether each value of the page is within two bounds. A bound that
// is nil allows all. Those of doubles are not looked at: parquet-go computes
// wrong ones where a value is NaN, and nothing may rely on them.
func (v *verifier) bounds(p *Pages, low, high []byte) error {
	if low == nil || high == nil {
		return nil
	}
	column := v.chunk.Column
	switch column.Type {
	case ByteArray, FixedLenByteArray:
		return v.textBounds(p, low, high)
	case Int32, Int64:
		width := 8
		if column.Type == Int32 {
			width = 4
		}
		if len(v.values.Ints) == 0 {
			return nil
		}
		if len(low) != width || len(high) != width {
			return fmt.Errorf("bounds of %d and %d bytes", len(low), len(high))
		}
		least, most := integer(low), integer(high)
		for _, n := range v.values.Ints {
			if column.Unsigned && (v.unsigned(n) < v.unsigned(least) || v.unsigned(n) > v.unsigned(most)) ||
				!column.Unsigned && (n < least || n > most) {
				return fmt.Errorf("%w: %d from %d to %d", errBounds, n, least, most)
			}
		}
	}
	return nil
}

func (v *verifier) unsigned(n int64) uint64 {
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

func (v *verifier) textBounds(p *Pages, low, high []byte) error {
	check := func(s []byte) error {
		if bytes.Compare(s, low) < 0 || bytes.Compare(s, high) > 0 {
			return fmt.Errorf("%w: %.40q from %.40q to %.40q", errBounds, s, low, high)
		}
		return nil
	}
	for i := range v.values.Bytes.Len() {
		if err := check(v.values.Bytes.At(i)); err != nil {
			return err
		}
	}
	if len(v.values.IDs) == 0 {
		return nil
	}
	// Each value is compared once, however often it occurs.
	v.used = grow(v.used[:0], p.dict.Len())
	clear(v.used)
	for _, id := range v.values.IDs {
		if !v.used[id] {
			v.used[id] = true
			if err := check(p.dict.At(id)); err != nil {
				return err
			}
		}
	}
	return nil
}
