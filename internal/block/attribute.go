package block

import (
	"context"
	"fmt"
	"math"
	"slices"

	"appliance/internal/block/parquet"
)

// Attribute is what the elements of a row group have under one key.
type Attribute struct {
	Parts []Values
	// Hidden are the elements, ascending, that have the key with a value that
	// is in no part: bytes, a list of keys and values, an array that is empty
	// or of several types, or nothing.
	Hidden []uint32
}

// Values are those of one type, from one column.
type Values struct {
	Type parquet.Type // ByteArray, Int64, Double or Boolean
	Own  bool         // from a column that the key has for itself
	// Elements are the owners of the values, ascending. One that is there more
	// than once has an array, or the key more than once.
	Elements []uint32
	IDs      []uint32 // of text, in Dict
	Dict     *parquet.Dictionary
	Ints     []int64
	Doubles  []float64
	Bools    []bool
}

// Keys calls yield with the key of each attribute that something in the row
// group has, in no order, until it returns false. It reads dictionaries alone.
func (g *RowGroup) Keys(ctx context.Context, o Owner, yield func(key []byte) bool) error {
	for _, s := range g.b.layout.owner[o].specials {
		if g.Has(g.b.layout.schema.Columns[s.column].Role) && !yield(s.key) {
			return nil
		}
	}
	role := o.Attr(AttrKey)
	if !g.Has(role) || g.b.layout.role(o.Attr(AttrText)) < 0 {
		return nil
	}
	dict, err := g.dictionary(ctx, role)
	if err != nil {
		return err
	}
	if c := g.b.chunk(g.index, role); !c.OnlyDictionary() {
		// Reading refuses a value that is not in the dictionary.
		if _, err := scan(c.Pages(ctx), &parquet.Values{}); err != nil {
			return err
		}
	}
	for i := range dict.Len() {
		if !yield(dict.At(uint32(i))) {
			return nil
		}
	}
	return nil
}

// Attribute reads the attributes of an owner that have a key, wherever the
// format has them. A key that is not in the dictionary costs no more than that.
// Where want is given, values of elements without a span that is wanted may be
// left out. Attributes of events and links in vParquet3 are not told: it has no
// columns for them.
func (g *RowGroup) Attribute(ctx context.Context, o Owner, key string, want Wanted) (*Attribute, error) {
	a := &Attribute{}
	for i := range g.b.layout.owner[o].specials {
		s := &g.b.layout.owner[o].specials[i]
		if string(s.key) == key {
			if err := g.special(ctx, a, s, want); err != nil {
				return nil, err
			}
		}
	}
	return a, g.listed(ctx, a, o, key, want)
}

// ListedAttribute is Attribute without the key's own column, if it has one.
func (g *RowGroup) ListedAttribute(ctx context.Context, o Owner, key string, want Wanted) (*Attribute, error) {
	a := &Attribute{}
	return a, g.listed(ctx, a, o, key, want)
}

// listed adds the values of a key in the list of attributes.
func (g *RowGroup) listed(ctx context.Context, a *Attribute, o Owner, key string, want Wanted) error {
	found, err := g.findKey(ctx, o, key, want)
	if err != nil || len(found) == 0 {
		return err
	}
	parts := [...]Part{AttrText, AttrInt, AttrDouble, AttrBool}
	if want != nil { // a few pages cost less than the dictionary of texts
		parts = [...]Part{AttrInt, AttrDouble, AttrBool, AttrText}
	}
	for _, p := range parts {
		if found, err = g.values(ctx, a, o.Attr(p), found); err != nil {
			return err
		}
	}
	for _, f := range found {
		a.Hidden = append(a.Hidden, f.element)
	}
	return nil
}

// attrPlace is where an attribute is: the n-th of a trace's attributes of its owner,
// those that are not there counted.
type attrPlace struct {
	element uint32
	trace   uint32
	n       uint32
}

// findKey returns where a key is, in the order of the file.
func (g *RowGroup) findKey(ctx context.Context, o Owner, key string, want Wanted) ([]attrPlace, error) {
	role := o.Attr(AttrKey)
	if !g.Has(role) || g.b.layout.role(o.Attr(AttrText)) < 0 {
		return nil, nil
	}
	dict, err := g.dictionary(ctx, role)
	if err != nil {
		return nil, err
	}
	id, ok := dict.Find([]byte(key))
	if !ok && g.b.chunk(g.index, role).OnlyDictionary() {
		return nil, nil
	} else if !ok {
		id = math.MaxUint32 // reading refuses a value that is not in the dictionary
	}
	p, err := g.pages(ctx, role)
	if err != nil {
		return nil, err
	}
	defer g.b.opts.Readers.giveBack(p.pageReader)
	var found []attrPlace
	for i := range p.places {
		if from, to := p.spans(i); want != nil && !want(from, to) {
			continue
		}
		v, err := p.read(i)
		if err != nil {
			return nil, err
		}
		if slices.Contains(v.IDs, id) {
			if found, err = p.find(found, i, v, id, want); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// find appends where page i has the key id.
func (p *groupPages) find(found []attrPlace, i int, v *parquet.Values, id uint32, want Wanted) ([]attrPlace, error) {
	level := p.column.MaxRep - 1 // of the owner's list
	first, end := p.traces(i)
	last := p.first(end)
	trace, element, n, value := uint32(first)-1, p.first(first)-1, uint32(0), 0
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
			return nil, p.apart()
		}
		if v.IDs[value] == id && (want == nil || want(p.spansOf(element))) {
			found = append(found, attrPlace{element, trace, n})
		}
		value++
	}
	return found, nil
}

// apart is the error of a page that has more elements than the shape says.
func (p *groupPages) apart() error { return fmt.Errorf("column %s: %w", p.column.Name, errApart) }

// spansOf are the spans of an element of the column's owner.
func (p *groupPages) spansOf(element uint32) (from, to uint32) {
	switch o, _ := ownerOf(p.column.Role); o {
	case OfResource:
		return p.shape.ResourceSpans[element], p.shape.ResourceSpans[element+1]
	case OfScope:
		return p.shape.ScopeSpans[element], p.shape.ScopeSpans[element+1]
	case OfSpan:
		return element, element + 1
	default:
		n, _ := slices.BinarySearch(p.inner, element+1) // the first that begins after it
		return uint32(n) - 1, uint32(n)
	}
}

// values adds the values of a column that are at some of the places, and returns
// the places without one.
func (g *RowGroup) values(ctx context.Context, a *Attribute, role Role, places []attrPlace) (rest []attrPlace, err error) {
	if len(places) == 0 || !g.Has(role) {
		return places, nil
	}
	p, err := g.pages(ctx, role)
	if err != nil {
		return nil, err
	}
	defer g.b.opts.Readers.giveBack(p.pageReader)
	out := Values{Type: p.column.Type, Dict: p.Dictionary()}
	if out.Type == parquet.ByteArray && out.Dict == nil {
		return nil, fmt.Errorf("%w: column %s has no dictionary", ErrDamaged, p.column.Name)
	}
	next := places
	for i := range p.places {
		first, end := p.traces(i)
		n, _ := slices.BinarySearchFunc(next, uint32(end), func(s attrPlace, trace uint32) int { return int(s.trace) - int(trace) })
		here := next[:n]
		if next = next[n:]; len(here) == 0 {
			continue
		}
		v, err := p.read(i)
		if err != nil {
			return nil, err
		}
		rest = p.take(&out, rest, here, uint32(first), v)
	}
	if len(out.Elements) > 0 {
		a.Parts = append(a.Parts, out)
	}
	return rest, nil
}

// take adds the values at the places in a page that begins at trace first, and
// appends the places without one to rest.
func (p *groupPages) take(out *Values, rest, places []attrPlace, first uint32, v *parquet.Values) []attrPlace {
	trace, n, value := first-1, uint32(0), 0
	for k := 0; k < len(v.Rep) && len(places) > 0; {
		if v.Rep[k] == 0 {
			trace, n = trace+1, 0
		} else {
			n++
		}
		here := places[0].trace == trace && places[0].n == n
		before := len(out.Elements)
		for { // the value, or the elements of an array
			if v.Def[k] == p.column.MaxDef {
				if here {
					out.add(places[0].element, v, value)
				}
				value++
			}
			if k++; k == len(v.Rep) || !p.column.array() || v.Rep[k] != p.column.MaxRep {
				break
			}
		}
		if here {
			if len(out.Elements) == before {
				rest = append(rest, places[0])
			}
			places = places[1:]
		}
	}
	return append(rest, places...)
}

func (a *Values) add(element uint32, v *parquet.Values, i int) {
	a.Elements = append(a.Elements, element)
	switch a.Type {
	case parquet.ByteArray:
		a.IDs = append(a.IDs, v.IDs[i])
	case parquet.Double:
		a.Doubles = append(a.Doubles, v.Doubles[i])
	case parquet.Boolean:
		a.Bools = append(a.Bools, v.Bools[i])
	default:
		a.Ints = append(a.Ints, v.Ints[i])
	}
}

// special adds the values of a column of its own.
func (g *RowGroup) special(ctx context.Context, a *Attribute, s *specialColumn, want Wanted) error {
	role := g.b.layout.schema.Columns[s.column].Role
	if !g.Has(role) {
		return nil
	}
	p, err := g.pages(ctx, role)
	if err != nil {
		return err
	}
	defer g.b.opts.Readers.giveBack(p.pageReader)
	out := Values{Type: p.column.Type, Own: true, Dict: p.Dictionary()}
	if out.Type == parquet.ByteArray && out.Dict == nil {
		return fmt.Errorf("%w: column %s has no dictionary", ErrDamaged, p.column.Name)
	}
	for i := range p.places {
		if from, to := p.spans(i); want != nil && !want(from, to) {
			continue
		}
		v, err := p.read(i)
		if err != nil {
			return err
		}
		first, end := p.traces(i)
		element, value, last := p.first(first), 0, p.first(end)
		for _, def := range v.Def {
			if def == p.column.MaxDef {
				if element >= last {
					return p.apart()
				}
				if !s.empty || len(out.Dict.At(v.IDs[value])) > 0 {
					out.add(element, v, value)
				}
				value++
			}
			if def >= p.column.MaxRep {
				element++
			}
		}
	}
	if len(out.Elements) > 0 {
		a.Parts = append(a.Parts, out)
	}
	return nil
}
