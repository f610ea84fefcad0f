package block

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"appliance/internal/block/parquet"
)

// Shape says how the elements of a row group are nested. Each slice has one
// entry more than there are: element i has those from s[i] up to s[i+1].
type Shape struct {
	Resources []uint32 // of a trace
	Scopes    []uint32 // of a trace
	Spans     []uint32 // of a trace

	ResourceSpans []uint32 // spans of a resource
	ScopeSpans    []uint32 // spans of a scope; the same memory where each resource has one
}

// Shape reads the shape from the levels of a small column. It must not be
// changed.
func (g *RowGroup) Shape(ctx context.Context) (*Shape, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.b.shapes[g.index].Load(); s != nil && g.shape == nil {
		g.shape = s
	}
	if g.shape != nil {
		return g.shape, nil
	}
	s := g.emptyShape()
	resource, scope, span := uint32(0), uint32(0), uint32(0)
	same := true // each resource has one scope so far
	err := g.levels(ctx, g.smallest(), func(rep, def []uint8) {
		for i := 0; i < len(rep); i++ {
			n := spansAlone(rep[i:], def[i:])
			span += uint32(n)
			if i += n; i == len(rep) {
				return
			}
			r, d := rep[i], def[i]
			if r == 0 {
				s.Resources, s.Scopes, s.Spans = append(s.Resources, resource), append(s.Scopes, scope), append(s.Spans, span)
			}
			newResource, newScope := r <= repResource && d >= repResource, r <= repScope && d >= repScope
			if same && newResource != newScope {
				s.ScopeSpans, same = append(g.room(ScopeName), s.ResourceSpans...), false
			}
			if newResource {
				s.ResourceSpans = append(s.ResourceSpans, span)
				resource++
			}
			if newScope {
				if !same {
					s.ScopeSpans = append(s.ScopeSpans, span)
				}
				scope++
			}
			if d == repSpan {
				span++
			}
		}
	})
	if err != nil {
		return nil, err
	}
	s.Resources, s.Scopes, s.Spans = append(s.Resources, resource), append(s.Scopes, scope), append(s.Spans, span)
	s.ResourceSpans = append(s.ResourceSpans, span)
	if same {
		s.ScopeSpans = s.ResourceSpans
	} else {
		s.ScopeSpans = append(s.ScopeSpans, span)
	}
	if int64(len(s.Spans)) != g.Traces()+1 {
		return nil, fmt.Errorf("%w: %d traces in a row group of %d", ErrDamaged, len(s.Spans)-1, g.Traces())
	}
	g.shape = s
	g.b.keepShape(g.index, s)
	return s, nil
}

// keepShape keeps the shape of a row group for the next who asks, or none.
func (b *Block) keepShape(group int, s *Shape) {
	before := b.shapes[group].Swap(s)
	b.shapeBytes.Add(s.bytes() - before.bytes())
}

// bytes is how much memory it takes. It may be nil.
func (s *Shape) bytes() int64 {
	if s == nil {
		return 0
	}
	n := 3*cap(s.Resources) + cap(s.ResourceSpans)
	if &s.ScopeSpans[0] != &s.ResourceSpans[0] {
		n += cap(s.ScopeSpans)
	}
	return int64(4 * n)
}

// ShapeBytes is how much memory the shapes take that the block keeps: it was asked
// for them, and may be again.
func (b *Block) ShapeBytes() int64 { return b.shapeBytes.Load() }

// DropShapes makes the block keep none.
func (b *Block) DropShapes() {
	for i := range b.shapes {
		b.keepShape(i, nil)
	}
}

// spansAlone counts the entries at the beginning that are one more span of the same
// scope and begin nothing else.
func spansAlone(rep, def []uint8) (n int) {
	const all = repSpan * 0x0101010101010101
	for ; n+8 <= len(rep); n += 8 {
		other := (binary.LittleEndian.Uint64(rep[n:]) ^ all) | (binary.LittleEndian.Uint64(def[n:]) ^ all)
		if other != 0 {
			return n + bits.TrailingZeros64(other)/8
		}
	}
	for n < len(rep) && rep[n] == repSpan && def[n] == repSpan {
		n++
	}
	return n
}

// emptyShape has room for all entries of a shape, as far as the footer tells.
func (g *RowGroup) emptyShape() *Shape {
	traces := int(min(g.Traces(), maxRoom)) + 1
	all := make([]uint32, 3*traces)
	s := &Shape{Resources: all[:0:traces], Scopes: all[traces : traces : 2*traces], Spans: all[2*traces : 2*traces]}
	s.ResourceSpans = g.room(ResourceService)
	return s
}

// maxRoom bounds what a footer makes us take before its numbers are proven.
const maxRoom = 1 << 16

// room has room for an entry for each of a column, and one more.
func (g *RowGroup) room(r Role) []uint32 {
	c := g.b.chunk(g.index, r)
	if c == nil {
		return nil
	}
	return make([]uint32, 0, min(c.Entries(), maxRoom)+1)
}

// smallest is the column of spans that takes the fewest bytes.
func (g *RowGroup) smallest() *parquet.Chunk {
	var best *parquet.Chunk
	for _, r := range []Role{SpanKind, SpanStatusCode, SpanDropped, SpanDroppedEvents, SpanDroppedLinks} {
		if c := g.b.chunk(g.index, r); c != nil && (best == nil || c.Bytes() < best.Bytes()) {
			best = c
		}
	}
	return best
}

// Inner has for each span its events or links: span i has those from s[i] up to
// s[i+1]. It must not be changed.
func (g *RowGroup) Inner(ctx context.Context, o Owner) ([]uint32, error) {
	shape, err := g.Shape(ctx)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inner[o] != nil {
		return g.inner[o], nil
	}
	spans := shape.Spans[len(shape.Spans)-1]
	list := make([]uint32, 0, spans+1)
	count := uint32(0)
	role := EventName
	if o == OfLink {
		role = LinkTraceID
	}
	c := g.b.chunk(g.index, role)
	if c == nil || c.AllNull() {
		g.inner[o] = make([]uint32, spans+1)
		return g.inner[o], nil
	}
	err = g.levels(ctx, c, func(rep, def []uint8) {
		for i, r := range rep {
			if r <= repSpan && def[i] >= repSpan {
				list = append(list, count)
			}
			if def[i] == repEvent {
				count++
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if uint32(len(list)) != spans {
		return nil, fmt.Errorf("%w: column %s has %d spans of %d", ErrDamaged, c.Column.Path, len(list), spans)
	}
	g.inner[o] = append(list, count)
	return g.inner[o], nil
}

// levels calls visit with the levels of each page of a chunk.
func (g *RowGroup) levels(ctx context.Context, c *parquet.Chunk, visit func(rep, def []uint8)) error {
	if c.Entries() > math.MaxUint32-1 {
		return fmt.Errorf("%w: column %s has %d entries", ErrDamaged, c.Column.Path, c.Entries())
	}
	pages := g.b.opts.Readers.pagesOf(ctx, c)
	defer g.b.opts.Readers.giveBack(pages)
	for v := &pages.page; ; {
		v.Reset()
		if err := pages.Levels(v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return damaged(err)
		}
		visit(v.Rep, v.Def)
	}
}
