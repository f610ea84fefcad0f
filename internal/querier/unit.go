package querier

import (
	"context"
	"iter"
	"math"

	"appliance/internal/block"
	"appliance/internal/traceql"
)

type traceID = [16]byte

// unit is one of the places where spans are: a block, or some records that are in
// no block. Each span of a tenant is in one unit, unless it was sent twice or a
// Tempo has stored it twice.
type unit struct {
	key  string // tells it from all others
	name string // as an answer names it
	// start and end are the times of its spans in Unix nanoseconds, both
	// included. A span of the year 2262 or later, as clients with a broken clock
	// make them, ends at the last of these.
	start, end int64
	place
}

// place is how the spans of a unit are read.
type place interface {
	// batches is how many batches it has.
	batches(ctx context.Context) (int, error)
	// batch reads one. done gives its memory back.
	batch(ctx context.Context, i int, b *budget) (_ traceql.Batch, done func(), err error)
	// ids yields the identifiers of its traces, ascending, many at a time, 16
	// bytes each. They are valid until the next ones.
	ids(ctx context.Context) iter.Seq2[[]byte, error]
	// trace appends the spans of a trace to dst, as the bytes of an OTLP
	// TracesData; nothing if it has none. What fields leaves out may be missing.
	trace(ctx context.Context, id traceID, fields *block.Fields, dst []byte) ([]byte, error)
	// traces calls visit with the traces of some identifiers, ascending and of
	// 16 bytes each, as trace has them. The bytes are valid during the call.
	traces(ctx context.Context, ids []byte, fields *block.Fields, visit func(data []byte) error) error
	// size is how many traces it has, or 0 as long as that is not known.
	size() int64
	// far says whether it may be far away.
	far() bool
	// lost says whether an error of it means that the unit is gone, which is
	// not a fault of it.
	lost(ctx context.Context, err error) bool
}

const second = int64(1e9)

// nanoseconds is a time in Unix seconds as a unit has it.
func nanoseconds(seconds int64) int64 {
	if seconds > math.MaxInt64/second-1 {
		return math.MaxInt64
	}
	return seconds * second
}

// within says whether a unit has spans from start to end, both included; 0 is
// unbounded.
func (u *unit) within(start, end int64) bool {
	return (end == 0 || u.start <= end) && (start == 0 || u.end >= start)
}
