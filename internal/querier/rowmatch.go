package querier

import (
	"context"
	"strings"

	"appliance/internal/block"
	"appliance/internal/traceql"
)

var _ traceql.Matcher = (*rowBatch)(nil)

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
		texts, n, err := p.MatchStrings(ctx, b.strings(dict))
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
		v.Parts = append(v.Parts, compact(b.part(&a.Parts[i])))
	}
	return v, true, nil
}

// compact leaves the texts out of a dictionary that no value is, and copies the
// others. The query tries those once more.
func compact(p traceql.Part) traceql.Part {
	if p.Type != traceql.TypeString {
		return p
	}
	ids, dict := make([]uint32, len(p.IDs)), []string(nil)
	places := map[uint32]uint32{}
	for i, id := range p.IDs {
		place, ok := places[id]
		if !ok {
			place = uint32(len(dict))
			dict = append(dict, strings.Clone(p.Dict[id]))
			places[id] = place
		}
		ids[i] = place
	}
	p.IDs, p.Dict = ids, dict
	return p
}

// fewOf is of how many texts one may match, so that it pays to read values before
// keys.
const fewOf = 8
