package querier

import (
	"context"
	"fmt"

	"appliance/internal/block"
	"appliance/internal/block/parquet"
	"appliance/internal/traceql"
)

var (
	_ traceql.Matcher = (*rowBatch)(nil)
	_ traceql.Marker  = (*rowBatch)(nil)
)

// Mark implements traceql.Marker for the numbers of spans, which are most of what is
// decoded for many queries.
func (b *rowBatch) Mark(ctx context.Context, f traceql.Field, p *traceql.Predicate, rows *traceql.Bitmap) (bool, error) {
	c, ok := intrinsics[f.Intrinsic]
	if !ok || c.kind == traceql.TypeString || f.Level() != traceql.LevelSpan || b.absent(f.Level(), c.role) {
		return false, nil
	}
	if err := b.budget.Read(b.g.Bytes(c.role)); err != nil {
		return false, err
	}
	part, at := traceql.Part{Type: c.kind}, 0
	err := b.g.ScanInts(ctx, c.role, func(some []int64) error {
		if len(some) > rows.Len()-at {
			return fmt.Errorf("%w: more than %d numbers of as many spans", block.ErrDamaged, rows.Len())
		}
		part.Ints = some
		err := p.MarkPart(ctx, &part, rows.From(at))
		at += len(some)
		return err
	})
	if err == nil && at != rows.Len() {
		err = fmt.Errorf("%w: %d numbers of %d spans", block.ErrDamaged, at, rows.Len())
	}
	return true, err
}

// Matching implements traceql.Matcher for what few values of an attribute match:
// an equal one, or few of a dictionary.
func (b *rowBatch) Matching(ctx context.Context, f traceql.Field, p *traceql.Predicate) (*traceql.Vector, bool, error) {
	o, ok := ownerOf(f.Scope)
	if !ok || f.Intrinsic != traceql.IntrinsicNone || len(b.g.Own(o, f.Name)) > 0 || !p.OnlyType(p.Value.Type) {
		return nil, false, nil
	}
	part, m := block.AttrInt, block.Match{}
	switch {
	case p.Value.Type == traceql.TypeInt && p.Op == traceql.OpEq:
		want := p.Value.Num
		m.Int = func(n int64) bool { return n == want }
	case p.Value.Type == traceql.TypeString && (p.Op == traceql.OpEq || p.Op == traceql.OpRegex):
		role := o.Attr(block.AttrText)
		if !b.g.Has(role) {
			return &traceql.Vector{}, true, nil
		}
		dict, err := b.g.Dictionary(ctx, role)
		if err != nil || dict == nil {
			return nil, false, err
		}
		texts, n, err := p.MatchTexts(ctx, dict.Len(), dict.Texts())
		if err != nil || n > len(texts)/fewOf {
			return nil, false, err
		}
		if n == 0 {
			return &traceql.Vector{}, true, nil
		}
		part, m.Texts = block.AttrText, texts
	default:
		return nil, false, nil
	}
	if err := b.budget.Read(b.g.Bytes(o.Attr(part))); err != nil {
		return nil, false, err
	}
	a, err := b.g.AttributeMatching(ctx, o, f.Name, part, m)
	if err != nil {
		return nil, false, err
	}
	v := &traceql.Vector{}
	for i := range a.Parts {
		v.Parts = append(v.Parts, b.few(&a.Parts[i]))
	}
	return v, true, nil
}

// few is part for few values: of the texts of a dictionary it copies those that a
// value is.
func (b *rowBatch) few(v *block.Values) traceql.Part {
	if v.Type != parquet.ByteArray {
		return b.part(v)
	}
	out := traceql.Part{Type: traceql.TypeString, Rows: v.Elements, IDs: make([]uint32, len(v.IDs))}
	places := map[uint32]uint32{}
	for i, id := range v.IDs {
		place, ok := places[id]
		if !ok {
			place = uint32(len(out.Dict))
			out.Dict = append(out.Dict, string(v.Dict.At(id)))
			places[id] = place
		}
		out.IDs[i] = place
	}
	return out
}

// fewOf is of how many texts one may match, so that it pays to read values before
// keys.
const fewOf = 8
