package querier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"appliance/internal/block"
	"appliance/internal/live"
	"appliance/internal/otlpwire"
	"appliance/internal/traceql"
)

// liveColumns makes batches of the records that are in no block yet. They are
// made when somebody asks, a chunk of records at a time, and kept for the next
// query: only the last chunk of a part grows, and is made again then.
type liveColumns struct {
	mu     sync.Mutex
	parts  map[*live.Part]*partColumns
	number uint64 // of the next chunk

	kept atomic.Int64 // bytes of the batches that are kept
}

const (
	chunkBytes   = 4 << 20  // of records that become one batch
	maxLiveBytes = 64 << 20 // of batches that are kept; others are made again
)

// partColumns are the chunks of one part.
type partColumns struct {
	turn   chan struct{} // held while chunks are made
	chunks []*chunk
	used   time.Time // guarded by the lock of liveColumns
}

// chunk is a batch of consecutive records of a part. It does not change.
type chunk struct {
	columns    *liveColumns
	part       *live.Part
	from, to   int // records
	number     uint64
	bytes      int64
	bad        []error // of records that cannot be read
	known      []byte  // their identifiers, ascending
	start, end int64

	mu    sync.Mutex
	built *traceql.MemoryBatch // nil: is made again
	kept  bool
}

func newLiveColumns() *liveColumns { return &liveColumns{parts: map[*live.Part]*partColumns{}} }

// sweep drops the columns that nobody asked for since a time.
func (l *liveColumns) sweep(before time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for part, p := range l.parts {
		if p.used.Before(before) {
			l.forget(part, p)
		}
	}
}

// retain drops the columns of a tenant's parts that are not live any more.
func (l *liveColumns) retain(tenant string, parts []*live.Part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for part, p := range l.parts {
		if part.Tenant() == tenant && !slices.Contains(parts, part) {
			l.forget(part, p)
		}
	}
}

// forget drops the columns of a part that nobody is making now. l.mu is held.
func (l *liveColumns) forget(part *live.Part, p *partColumns) {
	select {
	case p.turn <- struct{}{}:
		delete(l.parts, part)
		for _, c := range p.chunks {
			c.drop()
		}
		p.chunks = nil
		<-p.turn
	default:
	}
}

// of returns the chunks of a part with all records that it has now.
func (l *liveColumns) of(ctx context.Context, part *live.Part) ([]*chunk, error) {
	for {
		p := l.columns(part)
		select {
		case p.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if l.columns(part) != p { // it was forgotten meanwhile
			<-p.turn
			continue
		}
		defer func() { <-p.turn }()
		return l.extend(ctx, part, p)
	}
}

// columns are those of a part, none at first.
func (l *liveColumns) columns(part *live.Part) *partColumns {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.parts[part]
	if p == nil {
		p = &partColumns{turn: make(chan struct{}, 1)}
		l.parts[part] = p
	}
	p.used = time.Now()
	return p
}

// extend makes chunks of the records that came since the last time.
func (l *liveColumns) extend(ctx context.Context, part *live.Part, p *partColumns) ([]*chunk, error) {
	have := 0
	if n := len(p.chunks); n > 0 {
		have = p.chunks[n-1].to
	}
	if part.Size().Records == have {
		return slices.Clone(p.chunks), nil
	}
	if n := len(p.chunks); n > 0 && p.chunks[n-1].bytes < chunkBytes {
		have = p.chunks[n-1].from
		p.chunks[n-1].drop()
		p.chunks = p.chunks[:n-1]
	}
	for {
		b := newChunkBuilder(part, have)
		more, err := b.fill(ctx, math.MaxInt)
		if err != nil {
			return nil, err
		}
		if b.to > b.from {
			c, err := b.chunk(ctx, l)
			if err != nil {
				return nil, err
			}
			p.chunks = append(p.chunks, c)
			have = b.to
		}
		if !more {
			return slices.Clone(p.chunks), nil
		}
	}
}

// chunkBuilder collects records.
type chunkBuilder struct {
	part     *live.Part
	from, to int
	bytes    int64
	builder  *traceql.MemoryBuilder
	bad      []error
}

func newChunkBuilder(part *live.Part, from int) *chunkBuilder {
	b := &chunkBuilder{part: part, from: from, to: from, builder: traceql.NewMemoryBuilder()}
	b.builder.DropCopies()
	return b
}

// fill takes records up to the to-th, until there are enough for a chunk, or no
// more. A record that the spool cannot read costs only itself.
func (b *chunkBuilder) fill(ctx context.Context, to int) (more bool, err error) {
	for e, err := range b.part.Records(ctx, b.from) {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if b.to >= to {
			return false, nil
		}
		b.to++
		if err == nil {
			err = b.builder.Append(bytes.Clone(e.Payload))
			b.bytes += int64(len(e.Payload))
		}
		if err != nil {
			b.bad = append(b.bad, err)
		}
		if b.bytes >= chunkBytes {
			return true, nil
		}
	}
	return false, ctx.Err()
}

// chunk makes the batch.
func (b *chunkBuilder) chunk(ctx context.Context, l *liveColumns) (*chunk, error) {
	c := &chunk{columns: l, part: b.part, from: b.from, to: b.to, bytes: b.bytes, bad: b.bad, built: b.builder.Batch()}
	l.mu.Lock()
	l.number++
	c.number = l.number
	l.mu.Unlock()
	var err error
	if c.known, err = tracesOf(ctx, c.built); err != nil {
		return nil, err
	}
	if c.start, c.end, err = timesOf(ctx, c.built); err != nil {
		return nil, err
	}
	c.keep()
	return c, nil
}

// keep keeps the batch if there is room.
func (c *chunk) keep() {
	if c.columns.kept.Add(c.bytes) > maxLiveBytes {
		c.columns.kept.Add(-c.bytes)
		c.built = nil
		return
	}
	c.kept = true
}

// drop gives the room of the batch back. Queries may still be using it.
func (c *chunk) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept {
		c.columns.kept.Add(-c.bytes)
		c.kept = false
	}
}

// tracesOf are the identifiers of a batch, in its order, 16 bytes each.
func tracesOf(ctx context.Context, b traceql.Batch) ([]byte, error) {
	v, err := b.Column(ctx, traceql.Field{Intrinsic: traceql.IntrinsicTraceID}, nil)
	n := b.Rows(traceql.LevelTrace)
	if err != nil || n == 0 {
		return nil, err
	}
	if len(v.Parts) != 1 || len(v.Parts[0].Raw) != n*len(traceID{}) {
		return nil, errors.New("read the trace ids of a batch: not one for each trace")
	}
	return v.Parts[0].Raw, nil
}

// timesOf are the first start and the last end of the traces of a batch.
func timesOf(ctx context.Context, b traceql.Batch) (start, end int64, err error) {
	for i, n := range []traceql.Intrinsic{traceql.IntrinsicTraceStart, traceql.IntrinsicTraceEnd} {
		v, err := b.Column(ctx, traceql.Field{Intrinsic: n}, nil)
		if err != nil {
			return 0, 0, err
		}
		for _, p := range v.Parts {
			if i == 0 {
				start = slices.Min(p.Ints)
			} else if end = slices.Max(p.Ints); slices.Min(p.Ints) < 0 {
				end = math.MaxInt64 // beyond it, and so negative
			}
		}
	}
	return start, end, nil
}

// liveUnit is a chunk as a unit.
func liveUnit(tenant string, c *chunk) *unit {
	return &unit{
		key: fmt.Sprintf("live/%d", c.number), name: fmt.Sprintf("spans of tenant %s that are in no block yet", tenant),
		start: c.start, end: c.end, place: c,
	}
}

func (c *chunk) batches(context.Context) (int, error) { return 1, nil }

// load returns the batch, which is made again if it was not kept.
func (c *chunk) load(ctx context.Context) (*traceql.MemoryBatch, error) {
	c.mu.Lock()
	batch := c.built
	c.mu.Unlock()
	if batch != nil {
		return batch, nil
	}
	b := newChunkBuilder(c.part, c.from)
	if _, err := b.fill(ctx, c.to); err != nil {
		return nil, err
	}
	return b.builder.Batch(), nil
}

func (c *chunk) batch(ctx context.Context, _ int, b *budget) (traceql.Batch, func(), error) {
	if err := b.Read(c.bytes); err != nil {
		return nil, nil, err
	}
	batch, err := c.load(ctx)
	return batch, func() {}, err
}

func (c *chunk) ids(context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { yield(c.known, nil) }
}

func (c *chunk) trace(ctx context.Context, id traceID, _ *block.Fields, dst []byte) ([]byte, error) {
	if !hasID(c.known, id) {
		return dst, nil
	}
	out, _, err := c.part.TraceIn(ctx, id, c.from, c.to, dst)
	return out, err
}

func (c *chunk) traces(ctx context.Context, ids []byte, fields *block.Fields, visit func([]byte) error) error {
	if len(ids) <= fewTraces*len(traceID{}) {
		return eachTrace(ctx, c, ids, fields, visit)
	}
	wanted := make(map[traceID]bool, len(ids)/16)
	for ; len(ids) > 0; ids = ids[16:] {
		wanted[traceID(ids)] = true
	}
	var buf []byte
	n := c.from
	for e, err := range c.part.Records(ctx, c.from) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if n >= c.to {
			break
		}
		n++
		if err != nil {
			continue // c.bad has it
		}
		out, counts, err := (&otlpwire.Limits{MaxDepth: otlpwire.StoredDepth}).Filter(buf[:0], e.Payload, func(s *otlpwire.Span) otlpwire.Verdict {
			return otlpwire.Verdict{Keep: len(s.TraceID) == 16 && wanted[traceID(s.TraceID)]}
		})
		if err != nil || counts.Kept == 0 {
			continue
		}
		if err := visit(out); err != nil {
			return err
		}
		if !counts.Unchanged {
			buf = out
		}
	}
	return nil
}

func (c *chunk) size() int64 { return int64(len(c.known) / len(traceID{})) }

func (c *chunk) far() bool { return false }

func (c *chunk) lost(context.Context, error) bool { return false }
