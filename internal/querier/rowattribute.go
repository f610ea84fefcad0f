package querier

import (
	"cmp"
	"context"
	"slices"

	"appliance/internal/block"
	"appliance/internal/block/parquet"
	"appliance/internal/traceql"
)

const serviceName = "service.name"

// ownerOf is whose attributes have a scope.
func ownerOf(s traceql.Scope) (o block.Owner, ok bool) {
	switch s {
	case traceql.ScopeSpan:
		return block.OfSpan, true
	case traceql.ScopeResource:
		return block.OfResource, true
	case traceql.ScopeInstrumentation:
		return block.OfScope, true
	case traceql.ScopeEvent:
		return block.OfEvent, true
	case traceql.ScopeLink:
		return block.OfLink, true
	default:
		return 0, false
	}
}

// attribute reads the values of a key. Those of a well-known attribute that are
// not in its own column are odd.
func (b *rowBatch) attribute(ctx context.Context, f traceql.Field, want block.Wanted) (*traceql.Vector, error) {
	v := &traceql.Vector{}
	o, ok := ownerOf(f.Scope)
	if !ok || b.Rows(f.Level()) == 0 {
		return v, nil
	}
	if err := b.budget.Read(b.attributeBytes(o, f.Name)); err != nil {
		return nil, err
	}
	service := o == block.OfResource && f.Name == serviceName
	read := b.g.Attribute
	if service {
		read = b.g.ListedAttribute // its own column has a value for each resource, and is scanned
	}
	a, err := read(ctx, o, f.Name, want)
	if err != nil {
		return nil, err
	}
	v.Hidden = a.Hidden
	_, known := traceql.WellKnown(f)
	for i := range a.Parts {
		p := &a.Parts[i]
		switch {
		case known && !p.Own:
			v.Odd = append(v.Odd, b.part(p))
		default:
			v.Parts = append(v.Parts, b.part(p))
		}
	}
	if service {
		// Every resource has a service, if need be without a name.
		own, err := b.scan(ctx, intrinsicColumn{role: block.ResourceService, kind: traceql.TypeString}, b.Rows(f.Level()), want)
		if err != nil {
			return nil, err
		}
		v.Parts = append(v.Parts, own)
	}
	slices.SortStableFunc(v.Parts, func(a, b traceql.Part) int { return cmp.Compare(partOrder(&a), partOrder(&b)) })
	slices.SortStableFunc(v.Odd, func(a, b traceql.Part) int { return cmp.Compare(partOrder(&a), partOrder(&b)) })
	return v, nil
}

// partOrder is the order in which a batch in memory has the types: texts,
// floats, others.
func partOrder(p *traceql.Part) int {
	switch p.Type {
	case traceql.TypeString:
		return 0
	case traceql.TypeFloat:
		return 1
	default:
		return 2
	}
}

// attributeBytes is about what is read for a key.
func (b *rowBatch) attributeBytes(o block.Owner, key string) (n int64) {
	for _, r := range b.g.Own(o, key) {
		n += b.g.Bytes(r)
	}
	return n + b.g.Bytes(o.Attr(block.AttrKey))
}

func (b *rowBatch) part(p *block.Values) traceql.Part {
	out := traceql.Part{Rows: p.Elements}
	switch p.Type {
	case parquet.ByteArray:
		out.Type, out.IDs, out.Dict = traceql.TypeString, p.IDs, b.strings(p.Dict)
	case parquet.Double:
		out.Type, out.Floats = traceql.TypeFloat, p.Doubles
	case parquet.Boolean:
		out.Type, out.Ints = traceql.TypeBool, make([]int64, len(p.Bools))
		for i, set := range p.Bools {
			if set {
				out.Ints[i] = 1
			}
		}
	default:
		out.Type, out.Ints = traceql.TypeInt, p.Ints
	}
	return out
}

// Keys implements traceql.Batch.
func (b *rowBatch) Keys(ctx context.Context, yield func(traceql.Field) bool) error {
	scopes := []traceql.Scope{
		traceql.ScopeSpan, traceql.ScopeResource, traceql.ScopeInstrumentation, traceql.ScopeEvent, traceql.ScopeLink,
	}
	for _, scope := range scopes {
		o, _ := ownerOf(scope)
		if err := b.budget.Read(b.g.Bytes(o.Attr(block.AttrKey)) / 16); err != nil {
			return err
		}
		told := map[string]bool{}
		more := true
		err := b.g.Keys(ctx, o, func(key []byte) bool {
			if told[string(key)] {
				return true
			}
			told[string(key)] = true
			more = yield(traceql.Field{Scope: scope, Name: string(key)})
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}
