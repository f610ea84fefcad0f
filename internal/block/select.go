package block

import (
	"bytes"
	"context"
	"fmt"
	"iter"
)

// Select yields the traces that have one of some identifiers, of 16 bytes each,
// ascending, as the bytes of an OTLP TracesData. They are valid until the next
// one. It reads each row group that has any of them up to the last, so it is for
// many: Trace is cheaper for a few. The first error ends it. fields may leave out
// some of the spans.
func (b *Block) Select(ctx context.Context, ids []byte, fields *Fields) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r := b.opts.Readers.get(b.layout, fields)
		defer b.opts.Readers.put(r)
		var buf []byte
		for g := range b.file.Groups {
			rows, err := b.rowsOf(ctx, g, ids)
			if err != nil {
				yield(nil, damaged(fmt.Errorf("find traces in row group %d: %w", g, err)))
				return
			}
			if len(rows) == 0 {
				continue
			}
			if err := r.start(ctx, b, g); err != nil {
				yield(nil, damaged(err))
				return
			}
			next := int64(0)
			for _, row := range rows {
				if err = r.skipRows(row - next); err == nil {
					buf, err = r.trace(buf[:0])
				}
				if err != nil {
					yield(nil, damaged(fmt.Errorf("trace %d of row group %d: %w", row, g, err)))
					return
				}
				if !yield(buf, nil) {
					return
				}
				next = row + 1
			}
		}
	}
}

// rowsOf are the rows of a row group that have one of some identifiers.
func (b *Block) rowsOf(ctx context.Context, group int, ids []byte) (rows []int64, err error) {
	chunk := b.chunk(group, TraceID)
	if s := chunk.Statistics(); len(ids) == 0 ||
		s.Min != nil && bytes.Compare(ids[len(ids)-16:], s.Min) < 0 || s.Max != nil && bytes.Compare(s.Max, ids[:16]) < 0 {
		return nil, nil
	}
	var c cursor
	c.start(ctx, chunk)
	for row := range b.file.Groups[group].Rows {
		id, err := c.id()
		if err != nil {
			return nil, err
		}
		for len(ids) > 0 && bytes.Compare(ids[:16], id[:]) < 0 {
			ids = ids[16:]
		}
		if len(ids) == 0 {
			break
		}
		if bytes.Equal(ids[:16], id[:]) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// skipRows passes over rows in all columns.
func (r *rowReader) skipRows(n int64) error {
	for i := range r.cursors {
		if r.cursors[i].pages == nil {
			continue
		}
		if err := r.cursors[i].skip(n); err != nil {
			r.fail(i, err)
			return r.err
		}
	}
	return nil
}
