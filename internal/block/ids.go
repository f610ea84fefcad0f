package block

import (
	"context"
	"fmt"
	"iter"
)

// IDs yields the identifier of each trace, in the order of Traces. It reads one
// column. The first error ends it.
func (b *Block) IDs(ctx context.Context) iter.Seq2[[16]byte, error] {
	chunks := b.file.Alone(b.columns[b.layout.schema.Column(TraceID)])
	return func(yield func([16]byte, error) bool) {
		for g := range chunks {
			var c cursor
			c.start(ctx, &chunks[g])
			for row := range chunks[g].Rows() {
				id, err := c.id()
				if err != nil {
					yield(id, damaged(fmt.Errorf("identifier %d of row group %d: %w", row, g, err)))
					return
				}
				if !yield(id, nil) {
					return
				}
			}
		}
	}
}

// id passes over an entry of the column of identifiers. One that is shorter
// than 16 bytes is filled up on the left.
func (c *cursor) id() (id [16]byte, err error) {
	if _, err := c.take(0); err != nil {
		return id, err
	}
	b := c.bytes()
	if len(b) > len(id) {
		return id, fmt.Errorf("%w: an identifier of %d bytes", ErrDamaged, len(b))
	}
	copy(id[len(id)-len(b):], b)
	return id, nil
}
