package querier

import (
	"context"

	"appliance/internal/block"
	"appliance/internal/block/parquet"
	"appliance/internal/traceql"
)

// Never implements traceql.Batch. It looks at statistics and dictionaries.
func (b *rowBatch) Never(ctx context.Context, f traceql.Field, p *traceql.Predicate) bool {
	if p.Value.Type == traceql.TypeNil && p.Op == traceql.OpEq {
		return false
	}
	if f.Intrinsic != traceql.IntrinsicNone {
		c, ok := intrinsics[f.Intrinsic]
		return ok && c.width == 0 && b.neverIn(ctx, c.role, c.kind, p)
	}
	o, ok := ownerOf(f.Scope)
	if !ok {
		return false
	}
	for _, r := range b.g.Own(o, f.Name) {
		kind := traceql.TypeString
		if r == block.SpanHTTPStatus {
			kind = traceql.TypeInt
		}
		if b.g.Has(r) && !b.neverIn(ctx, r, kind, p) {
			return false
		}
	}
	return b.noKey(ctx, o, f.Name) || b.neverGeneric(ctx, o, p)
}

// noKey says whether no attribute outside the columns of their own has a key.
func (b *rowBatch) noKey(ctx context.Context, o block.Owner, key string) bool {
	role := o.Attr(block.AttrKey)
	if !b.g.Has(role) {
		return true
	}
	dict, err := b.g.Dictionary(ctx, role)
	if err != nil || dict == nil {
		return false
	}
	_, found := dict.Find([]byte(key))
	return !found
}

// neverGeneric says whether none of the values of all keys matches.
func (b *rowBatch) neverGeneric(ctx context.Context, o block.Owner, p *traceql.Predicate) bool {
	if p.Value.Type == traceql.TypeNil {
		return false
	}
	for part, kind := range map[block.Part]traceql.Type{
		block.AttrText: traceql.TypeString, block.AttrInt: traceql.TypeInt,
		block.AttrDouble: traceql.TypeFloat, block.AttrBool: traceql.TypeBool,
	} {
		role := o.Attr(part)
		if !b.g.Has(role) || !p.MatchesType(kind) {
			continue
		}
		if kind != traceql.TypeString && kind != traceql.TypeInt || !b.neverIn(ctx, role, kind, p) {
			return false
		}
	}
	return true
}

// neverIn says whether no value of a column matches.
func (b *rowBatch) neverIn(ctx context.Context, r block.Role, kind traceql.Type, p *traceql.Predicate) bool {
	if p.Value.Type == traceql.TypeNil {
		return false
	}
	if !p.MatchesType(kind) {
		return true
	}
	if kind != traceql.TypeString {
		low, high, ok := b.g.Bounds(r)
		return ok && low <= high && !p.MatchRange(low, high)
	}
	dict, err := b.g.Dictionary(ctx, r)
	if err != nil || dict == nil {
		return false
	}
	return !b.matches(ctx, dict, p)
}

// matches says whether an entry of a dictionary matches. A regular expression is
// tried on a few alone: reading the column tries all.
func (b *rowBatch) matches(ctx context.Context, dict *parquet.Dictionary, p *traceql.Predicate) bool {
	if p.Op == traceql.OpEq {
		_, found := dict.Find([]byte(p.Value.Str))
		return found
	}
	if dict.Len() > fewTexts {
		return true
	}
	_, n, err := p.MatchStrings(ctx, b.strings(dict))
	return err != nil || n > 0
}

const fewTexts = 1024
