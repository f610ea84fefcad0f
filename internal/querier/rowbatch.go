package querier

import (
	"context"
	"fmt"
	"sync"

	"appliance/internal/block"
	"appliance/internal/block/parquet"
	"appliance/internal/traceql"
)

// rowBatch is a row group of a block as traceql reads it. It keeps the columns
// that it has decoded, as long as a query works on it.
type rowBatch struct {
	ctx    context.Context // for Rows, which has none of its own
	g      *block.RowGroup
	shape  *block.Shape
	budget *budget

	mu      sync.Mutex
	columns map[traceql.Field]*traceql.Vector
	// narrow are columns that were read for some spans, of which the last are kept.
	narrow   map[traceql.Field]*traceql.Vector
	narrowed *traceql.Bitmap
	dicts    map[*parquet.Dictionary][]string
	held     int64 // bytes of memory that were taken from the budget
	err      error // of Rows
}

var _ traceql.Batch = (*rowBatch)(nil)

// newRowBatch reads how the row group is nested. Close it.
func newRowBatch(ctx context.Context, g *block.RowGroup, b *budget) (*rowBatch, error) {
	shape, err := g.Shape(ctx)
	if err != nil {
		return nil, err
	}
	return &rowBatch{
		ctx: ctx, g: g, shape: shape, budget: b,
		columns: map[traceql.Field]*traceql.Vector{}, dicts: map[*parquet.Dictionary][]string{},
	}, nil
}

// close gives the memory back.
func (b *rowBatch) close() { b.Forget() }

// Forget implements traceql.Forgetter. Dictionaries whose texts were given to somebody
// are kept.
func (b *rowBatch) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.g.DropDictionaries(func(d *parquet.Dictionary) bool { return b.dicts[d] != nil })
	b.budget.release(b.held)
	b.held = 0
	b.columns, b.narrow, b.narrowed = map[traceql.Field]*traceql.Vector{}, nil, nil
}

// Rows implements traceql.Batch.
func (b *rowBatch) Rows(l traceql.Level) int {
	switch l {
	case traceql.LevelTrace:
		return len(b.shape.Spans) - 1
	case traceql.LevelResource:
		return len(b.shape.ResourceSpans) - 1
	case traceql.LevelScope:
		return len(b.shape.ScopeSpans) - 1
	case traceql.LevelSpan:
		return b.spans()
	}
	o, err := b.Offsets(b.ctx, l)
	if err != nil {
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
		return 0
	}
	return int(o[len(o)-1])
}

func (b *rowBatch) spans() int { return int(b.shape.Spans[len(b.shape.Spans)-1]) }

// Offsets implements traceql.Batch.
func (b *rowBatch) Offsets(ctx context.Context, l traceql.Level) ([]uint32, error) {
	switch l {
	case traceql.LevelTrace:
		return b.shape.Spans, nil
	case traceql.LevelResource:
		return b.shape.ResourceSpans, nil
	case traceql.LevelScope:
		return b.shape.ScopeSpans, nil
	case traceql.LevelEvent:
		return b.g.Inner(ctx, block.OfEvent)
	case traceql.LevelLink:
		return b.g.Inner(ctx, block.OfLink)
	}
	return nil, fmt.Errorf("read the offsets of level %d: there are none", l)
}

// Column implements traceql.Batch.
func (b *rowBatch) Column(ctx context.Context, f traceql.Field, want *traceql.Bitmap) (*traceql.Vector, error) {
	b.mu.Lock()
	v, ok := b.columns[f]
	if !ok && want != nil && want == b.narrowed {
		v, ok = b.narrow[f]
	}
	err := b.err
	b.mu.Unlock()
	if ok || err != nil {
		return v, err
	}
	v, err = b.read(ctx, f, wanted(want))
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case want == nil:
		b.columns[f] = v
	case want != b.narrowed:
		b.narrow, b.narrowed = map[traceql.Field]*traceql.Vector{f: v}, want
	default:
		b.narrow[f] = v
	}
	n := weight(v)
	if err := b.budget.hold(n); err != nil {
		return nil, err
	}
	b.held += n
	return v, nil
}

// wanted turns a set of spans into what a reader of pages asks.
func wanted(want *traceql.Bitmap) block.Wanted {
	if want == nil {
		return nil
	}
	return func(from, to uint32) bool { return want.Any(int(from), int(to)) }
}

// weight is how much memory a column takes, without its dictionary.
func weight(v *traceql.Vector) (n int64) {
	for _, parts := range [][]traceql.Part{v.Parts, v.Odd} {
		for i := range parts {
			p := &parts[i]
			n += int64(4*len(p.Rows) + 4*len(p.IDs) + len(p.Raw) + 8*len(p.Floats) + 8*len(p.Ints))
		}
	}
	return n + int64(4*len(v.Hidden))
}

// read reads a column.
func (b *rowBatch) read(ctx context.Context, f traceql.Field, want block.Wanted) (*traceql.Vector, error) {
	if f.Intrinsic == traceql.IntrinsicNone {
		return b.attribute(ctx, f, want)
	}
	switch f.Intrinsic {
	case traceql.IntrinsicChildCount:
		return b.childCounts(ctx)
	case traceql.IntrinsicEventTimeSinceStart:
		return b.sinceStart(ctx, want)
	}
	c, ok := intrinsics[f.Intrinsic]
	if !ok {
		return nil, fmt.Errorf("read the column of intrinsic %d: a block has none", f.Intrinsic)
	}
	if b.absent(f.Level(), c.role) {
		return &traceql.Vector{}, nil
	}
	part, err := b.scan(ctx, c, b.Rows(f.Level()), want)
	if err != nil {
		return nil, err
	}
	if f.Intrinsic == traceql.IntrinsicTraceState {
		part = present(part)
	}
	return &traceql.Vector{Parts: []traceql.Part{part}}, nil
}

// absent says whether nothing has a value of a column. It must have one for each
// row otherwise.
func (b *rowBatch) absent(l traceql.Level, r block.Role) bool {
	return b.Rows(l) == 0 || (l == traceql.LevelEvent || l == traceql.LevelLink) && !b.g.Has(r)
}

// intrinsicColumn is where an intrinsic is: in a column with a value for each
// row.
type intrinsicColumn struct {
	role  block.Role
	kind  traceql.Type
	width int // of identifiers
	short bool
}

var intrinsics = map[traceql.Intrinsic]intrinsicColumn{
	traceql.IntrinsicName:                   {role: block.SpanName, kind: traceql.TypeString},
	traceql.IntrinsicDuration:               {role: block.SpanDuration, kind: traceql.TypeDuration},
	traceql.IntrinsicStatus:                 {role: block.SpanStatusCode, kind: traceql.TypeStatus},
	traceql.IntrinsicStatusMessage:          {role: block.SpanStatusMessage, kind: traceql.TypeString},
	traceql.IntrinsicKind:                   {role: block.SpanKind, kind: traceql.TypeKind},
	traceql.IntrinsicSpanID:                 {role: block.SpanID, kind: traceql.TypeString, width: 8},
	traceql.IntrinsicParentID:               {role: block.SpanParentSpanID, kind: traceql.TypeString, width: 8},
	traceql.IntrinsicNestedSetLeft:          {role: block.SpanLeft, kind: traceql.TypeInt},
	traceql.IntrinsicNestedSetRight:         {role: block.SpanRight, kind: traceql.TypeInt},
	traceql.IntrinsicNestedSetParent:        {role: block.SpanParent, kind: traceql.TypeInt},
	traceql.IntrinsicTraceID:                {role: block.TraceID, kind: traceql.TypeString, width: 16, short: true},
	traceql.IntrinsicTraceDuration:          {role: block.TraceDuration, kind: traceql.TypeDuration},
	traceql.IntrinsicRootName:               {role: block.RootName, kind: traceql.TypeString},
	traceql.IntrinsicRootService:            {role: block.RootService, kind: traceql.TypeString},
	traceql.IntrinsicEventName:              {role: block.EventName, kind: traceql.TypeString},
	traceql.IntrinsicLinkSpanID:             {role: block.LinkSpanID, kind: traceql.TypeString, width: 8},
	traceql.IntrinsicLinkTraceID:            {role: block.LinkTraceID, kind: traceql.TypeString, width: 16, short: true},
	traceql.IntrinsicInstrumentationName:    {role: block.ScopeName, kind: traceql.TypeString},
	traceql.IntrinsicInstrumentationVersion: {role: block.ScopeVersion, kind: traceql.TypeString},
	traceql.IntrinsicStart:                  {role: block.SpanStart, kind: traceql.TypeInt},
	traceql.IntrinsicTraceStart:             {role: block.TraceStart, kind: traceql.TypeInt},
	traceql.IntrinsicTraceEnd:               {role: block.TraceEnd, kind: traceql.TypeInt},
	traceql.IntrinsicTraceState:             {role: block.SpanTraceState, kind: traceql.TypeString},
}

// Services implements traceql.Batch.
func (b *rowBatch) Services(ctx context.Context, trace int, want *traceql.Bitmap) ([]traceql.Service, error) {
	services, err := b.Column(ctx, traceql.Field{Scope: traceql.ScopeResource, Name: serviceName}, want)
	if err != nil {
		return nil, err
	}
	errors, err := b.Column(ctx, traceql.Field{Intrinsic: traceql.IntrinsicStatus}, want)
	if err != nil {
		return nil, err
	}
	names, status := &services.Parts[len(services.Parts)-1], &errors.Parts[0]
	var out []traceql.Service
	index := map[string]int{}
	for r := b.shape.Resources[trace]; r < b.shape.Resources[trace+1]; r++ {
		i, ok := names.At(int(r))
		if !ok {
			return nil, fmt.Errorf("%w: resource %d has no service", block.ErrDamaged, r)
		}
		name := names.Dict[names.IDs[i]]
		k, ok := index[name]
		if !ok {
			k = len(out)
			index[name] = k
			out = append(out, traceql.Service{Name: name})
		}
		from, to := b.shape.ResourceSpans[r], b.shape.ResourceSpans[r+1]
		if out[k].Spans += int(to - from); from == to {
			continue
		}
		at, ok := status.At(int(from))
		if !ok || at+int(to-from) > len(status.Ints) {
			return nil, fmt.Errorf("%w: span %d has no status", block.ErrDamaged, from)
		}
		for _, code := range status.Ints[at : at+int(to-from)] { // the rows follow each other
			if code == statusError {
				out[k].Errors++
			}
		}
	}
	return out, nil
}

const statusError = 2
