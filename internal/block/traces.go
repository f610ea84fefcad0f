package block

import (
	"context"
	"fmt"
	"iter"
)

// Traces yields each trace of the block, in the order of the identifiers, as the
// bytes of an OTLP TracesData. They are valid until the next one. The first
// error ends it. Memory is bounded by a page of each column and one trace.
func (b *Block) Traces(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r := newRowReader(b.layout)
		var buf []byte
		for g := range b.file.Groups {
			if err := r.start(ctx, b, g); err != nil {
				yield(nil, err)
				return
			}
			for row := range b.file.Groups[g].Rows {
				var err error
				if buf, err = r.trace(buf[:0]); err != nil {
					yield(nil, damaged(fmt.Errorf("trace %d of row group %d: %w", row, g, err)))
					return
				}
				if !yield(buf, nil) {
					return
				}
			}
			if err := r.end(); err != nil {
				yield(nil, damaged(fmt.Errorf("end of row group %d: %w", g, err)))
				return
			}
		}
	}
}
