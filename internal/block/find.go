package block

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"appliance/internal/block/parquet"
)

// Trace appends a trace as the bytes of an OTLP TracesData to dst, or returns
// ErrNotFound. It reads the identifiers of one page, and of every other column
// that has values one page and the dictionary. After an error dst is as before.
func (b *Block) Trace(ctx context.Context, id [16]byte, dst []byte) ([]byte, error) {
	return b.TraceFields(ctx, id, nil, 1, dst)
}

// TraceFields is Trace without what fields leaves out: those columns are not
// read. It decodes large pages in up to so many goroutines.
func (b *Block) TraceFields(ctx context.Context, id [16]byte, fields *Fields, goroutines int, dst []byte) ([]byte, error) {
	mark, found := len(dst), false
	r := b.opts.Readers.get(b.layout, fields)
	defer b.opts.Readers.put(r)
	for g := range b.file.Groups {
		rows, err := b.find(ctx, g, &id)
		if err != nil {
			return dst[:mark], damaged(fmt.Errorf("find trace %x: %w", id, err))
		}
		// There is one, but a block that has two is not refused for it. One
		// TracesData after the other is both.
		for _, row := range rows {
			if err = r.seek(ctx, b, g, row, goroutines); err == nil {
				r.out, err = r.trace(r.out[:0])
			}
			if err != nil {
				return dst[:mark], damaged(fmt.Errorf("read trace %x: %w", id, err))
			}
			if r.id != id {
				return dst[:mark], fmt.Errorf("%w: trace %x where %x is", ErrDamaged, r.id, id)
			}
			dst = append(dst, r.out...)
			found = true
		}
	}
	if !found {
		return dst[:mark], ErrNotFound
	}
	return dst, nil
}

// within says whether bounds allow an identifier. A missing bound allows all.
func within(id *[16]byte, low, high []byte) bool {
	return (low == nil || bytes.Compare(low, id[:]) <= 0) && (high == nil || bytes.Compare(id[:], high) <= 0)
}

// find returns the rows of a row group that have an identifier.
func (b *Block) find(ctx context.Context, group int, id *[16]byte) ([]int64, error) {
	chunk := b.chunk(group, TraceID)
	if s := chunk.Statistics(); !within(id, s.Min, s.Max) {
		return nil, nil
	}
	places, err := chunk.OffsetIndex(ctx)
	if err != nil {
		return nil, err
	}
	bounds, err := chunk.ColumnIndex(ctx)
	if err != nil {
		return nil, err
	}
	var v parquet.Values
	if places == nil || bounds == nil || len(bounds.Min) != len(places.Pages) {
		return findIn(nil, chunk.Pages(ctx), &v, 0, id)
	}
	var rows []int64
	pages := chunk.Pages(ctx)
	if err := pages.Start(nil); err != nil {
		return nil, err
	}
	for i, at := range places.Pages {
		if !within(id, bounds.Min[i], bounds.Max[i]) {
			continue
		}
		pages.Seek(at)
		if rows, err = findIn(rows, pages, &v, at.FirstRow, id); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// findIn appends the rows of pages, which begin at row first.
func findIn(rows []int64, pages *parquet.Pages, v *parquet.Values, first int64, id *[16]byte) ([]int64, error) {
	for {
		v.Reset()
		if err := pages.Next(v); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, err
		}
		dict := pages.Dictionary()
		for i := range v.Entries {
			var at []byte
			if dict != nil {
				at = dict.At(v.IDs[i])
			} else {
				at = v.Bytes.At(i)
			}
			if string(at) == string(id[:]) {
				rows = append(rows, first+int64(i))
			}
		}
		first += int64(v.Entries)
	}
}
