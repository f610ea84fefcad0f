package block

import (
	"context"
	"fmt"
	"slices"

	"appliance/internal/block/parquet"
)

// Match says which values of a column are looked for: Texts by their place in the
// column's dictionary, which Dictionary returns, or Int.
type Match struct {
	Texts []bool
	Int   func(int64) bool
}

func (m *Match) matches(v *parquet.Values, i int) bool {
	if m.Texts != nil {
		return m.Texts[v.IDs[i]]
	}
	return m.Int(v.Ints[i])
}

// AttributeMatching is Attribute for values that match alone, of the column of one
// type. It reads values first, and keys only of the pages that have a match, so
// that it is faster where few values match. The key must not have a column of its
// own. Hidden is not told.
func (g *RowGroup) AttributeMatching(ctx context.Context, o Owner, key string, part Part, m Match) (*Attribute, error) {
	a := &Attribute{}
	keys, role := o.Attr(AttrKey), o.Attr(part)
	if !g.Has(keys) || !g.Has(role) || g.b.layout.role(o.Attr(AttrText)) < 0 {
		return a, nil
	}
	dict, err := g.dictionary(ctx, keys)
	if err != nil {
		return nil, err
	}
	id, ok := dict.Find([]byte(key))
	if !ok && g.b.chunk(g.index, keys).OnlyDictionary() {
		return a, nil
	}
	p, err := g.pages(ctx, role)
	if err != nil {
		return nil, err
	}
	defer g.b.opts.Readers.giveBack(p.pageReader)
	if m.Texts != nil && (p.Dictionary() == nil || p.Dictionary().Len() != len(m.Texts)) {
		return nil, fmt.Errorf("%w: column %s has another dictionary", ErrDamaged, p.column.Name)
	}
	out := Values{Type: p.column.Type, Dict: p.Dictionary()}
	var places []attrPlace // of out's values; their elements are not known yet
	for i := range p.places {
		v, err := p.read(i)
		if err != nil {
			return nil, err
		}
		first, _ := p.traces(i)
		places = p.matching(&out, places, uint32(first), v, &m)
	}
	if err := g.keyed(ctx, &out, places, id, keys); err != nil {
		return nil, err
	}
	if len(out.Elements) > 0 {
		a.Parts = append(a.Parts, out)
	}
	return a, nil
}

// matching adds the values of a page that match, and appends where they are.
func (p *groupPages) matching(out *Values, places []attrPlace, first uint32, v *parquet.Values, m *Match) []attrPlace {
	some, values := false, max(len(v.IDs), len(v.Ints))
	for i := 0; i < values && !some; i++ {
		some = m.matches(v, i)
	}
	if !some {
		return places
	}
	trace, n, value, array := first-1, uint32(0), 0, p.column.array()
	for k, rep := range v.Rep {
		switch {
		case rep == 0:
			trace, n = trace+1, 0
		case !array || rep != p.column.MaxRep: // not a further element of an array
			n++
		}
		if v.Def[k] != p.column.MaxDef {
			continue
		}
		if m.matches(v, value) {
			out.add(0, v, value)
			places = append(places, attrPlace{0, trace, n})
		}
		value++
	}
	return places
}

// keyed keeps the values at places whose key is id, and tells them their elements.
func (g *RowGroup) keyed(ctx context.Context, out *Values, places []attrPlace, id uint32, keys Role) error {
	if len(places) == 0 {
		return nil
	}
	p, err := g.pages(ctx, keys)
	if err != nil {
		return err
	}
	defer g.b.opts.Readers.giveBack(p.pageReader)
	found := make([]bool, len(places))
	from := 0
	for i := range p.places {
		_, end := p.traces(i)
		n, _ := slices.BinarySearchFunc(places[from:], uint32(end), func(s attrPlace, trace uint32) int { return int(s.trace) - int(trace) })
		if n == 0 {
			continue
		}
		v, err := p.read(i)
		if err != nil {
			return err
		}
		if slices.Contains(v.IDs, id) {
			if err := p.tellElements(places[from:from+n], found[from:from+n], i, v, id); err != nil {
				return err
			}
		}
		from += n
	}
	out.keep(places, found)
	return nil
}

// tellElements finds the places that page i has with the key id.
func (p *groupPages) tellElements(places []attrPlace, found []bool, i int, v *parquet.Values, id uint32) error {
	level := p.column.MaxRep - 1 // of the owner's list
	first, end := p.traces(i)
	last := p.first(end)
	trace, element, n, value, next := uint32(first)-1, p.first(first)-1, uint32(0), 0, 0
	for k, rep := range v.Rep {
		def := v.Def[k]
		if rep == 0 {
			trace, n = trace+1, 0
		} else {
			n++
		}
		if rep <= level && def >= level {
			element++
		}
		if def < p.column.MaxDef {
			continue
		}
		if element >= last {
			return p.apart()
		}
		for ; next < len(places) && places[next].trace == trace && places[next].n == n; next++ {
			found[next] = v.IDs[value] == id
			places[next].element = element
		}
		value++
	}
	return nil
}

// keep leaves out the values that were not found, and sets the elements of the
// others.
func (a *Values) keep(places []attrPlace, found []bool) {
	n := 0
	for i := range found {
		if !found[i] {
			continue
		}
		a.Elements[n] = places[i].element
		switch a.Type {
		case parquet.ByteArray:
			a.IDs[n] = a.IDs[i]
		default:
			a.Ints[n] = a.Ints[i]
		}
		n++
	}
	a.Elements = a.Elements[:n]
	a.IDs, a.Ints = a.IDs[:min(n, len(a.IDs))], a.Ints[:min(n, len(a.Ints))]
}
