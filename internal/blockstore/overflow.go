package blockstore

import (
	"context"
	"fmt"

	"appliance/internal/live"
)

// A block takes so many bytes of one trace, as block.BuilderOptions.TraceBytes
// counts them.
const (
	traceBytes   = 8 << 20
	spanOverhead = 300
)

// overflow makes blocks of what other blocks cannot have of single traces. Each
// gets about as much of a trace as it takes, and is written before the next is
// begun: one that got all of it would pass on what it cannot have, and the end of
// a large trace would be sorted once for each block before.
type overflow struct {
	store  *Store
	tenant string
	level  int
	stays  bool // no merge follows
	blocks []*writer
	trace  string // of the last record
	room   int    // that the last block has for more of it
}

// add takes a record of spans of one trace. Those of one trace follow each other.
func (o *overflow) add(record []byte) error {
	spans, trace := 0, ""
	err := live.TraceIDs(record, func(id []byte) {
		if spans++; spans == 1 {
			trace = string(id)
		}
	})
	if err != nil {
		return fmt.Errorf("read the trace id of what a block cannot have: %w", err)
	}
	cost := len(record) + spans*spanOverhead
	most := o.store.traceBytes
	if trace != o.trace {
		o.trace, o.room = trace, most
	}
	if n := len(o.blocks); n > 0 && cost > o.room && o.room < most {
		// Nobody waits for the end of a context in here: a block takes its moment.
		if err := o.blocks[n-1].write(context.Background()); err != nil {
			return err
		}
		o.room = most
	}
	if n := len(o.blocks); n == 0 || o.blocks[n-1].meta != nil {
		w, err := o.store.newWriter(o.tenant, o.level, o.stays)
		if err != nil {
			return err
		}
		o.blocks = append(o.blocks, w)
	}
	o.room -= cost
	return o.blocks[len(o.blocks)-1].add(record)
}

// finish proves the blocks, which were given so many spans.
func (o *overflow) finish(ctx context.Context, lineage Lineage, given int64) (made []*proven, err error) {
	for _, w := range o.blocks {
		more, err := w.finish(ctx, lineage)
		if err != nil {
			return nil, err
		}
		given -= more[0].stats.Added
		made = append(made, more...)
	}
	if given != 0 {
		return nil, fmt.Errorf("of the spans of large traces that a block cannot have, %d are not in %d others", given, len(made))
	}
	return made, nil
}

func (o *overflow) discard() {
	for _, w := range o.blocks {
		w.discard()
	}
}
