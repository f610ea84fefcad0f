package block

import (
	"context"
	"errors"
	"fmt"
	"io"

	"appliance/internal/block/parquet"
)

// Wanted says whether any of the spans from up to to is asked about. Pages
// without one are passed over. A nil Wanted asks about all.
type Wanted func(from, to uint32) bool

// Scan appends a whole column to v, page by page. Of a column that each element
// of its owner has, value i is that of element i. Where want is given, a page
// that is not wanted counts as zeros, and has no levels; of other columns all
// pages are read. The dictionary is nil for a column without one.
func (g *RowGroup) Scan(ctx context.Context, r Role, want Wanted, v *parquet.Values) (*parquet.Dictionary, error) {
	c := g.b.chunk(g.index, r)
	if c == nil {
		return nil, fmt.Errorf("column of role %d: %w", r, ErrFormat)
	}
	if want == nil || isAttr(r) || g.b.layout.schema.Columns[g.b.layout.role(r)].Optional || r >= StatsService && r <= StatsErrors {
		return scan(c.Pages(ctx), v)
	}
	p, err := g.pages(ctx, r)
	if err != nil {
		return nil, err
	}
	for i := range p.places {
		if from, to := p.spans(i); want(from, to) {
			err = p.read(i, v)
		} else {
			p.zeros(i, v)
		}
		if err != nil {
			return nil, err
		}
	}
	return p.Dictionary(), nil
}

func scan(pages *parquet.Pages, v *parquet.Values) (*parquet.Dictionary, error) {
	for {
		if err := pages.Next(v); errors.Is(err, io.EOF) {
			return pages.Dictionary(), nil
		} else if err != nil {
			return nil, damaged(err)
		}
	}
}

// groupPages are the pages of a column, with the elements that they have.
type groupPages struct {
	*parquet.Pages
	column *Column
	shape  *Shape
	inner  []uint32 // of a column of events or links
	places []parquet.PageLocation
	rows   int64
}

// pages reads the places of the pages of a column, and its dictionary.
func (g *RowGroup) pages(ctx context.Context, r Role) (*groupPages, error) {
	c := g.b.chunk(g.index, r)
	p := &groupPages{Pages: c.Pages(ctx), column: &g.b.layout.schema.Columns[g.b.layout.role(r)], rows: c.Rows()}
	var err error
	if p.shape, err = g.Shape(ctx); err != nil {
		return nil, err
	}
	if o, _ := ownerOf(r); o == OfEvent || o == OfLink {
		if p.inner, err = g.Inner(ctx, o); err != nil {
			return nil, err
		}
	}
	x, err := c.OffsetIndex(ctx)
	if err != nil {
		return nil, damaged(err)
	}
	if x == nil {
		return nil, fmt.Errorf("%w: column %s has no offset index", ErrDamaged, c.Column.Path)
	}
	p.places = x.Pages
	if !c.HasDictionary() {
		return p, nil
	}
	dict, err := g.dictionary(ctx, r)
	p.SetDictionary(dict)
	return p, err
}

// traces are those that page i has.
func (p *groupPages) traces(i int) (from, to int64) {
	if i+1 < len(p.places) {
		return p.places[i].FirstRow, p.places[i+1].FirstRow
	}
	return p.places[i].FirstRow, p.rows
}

// spans are those of the traces that page i has.
func (p *groupPages) spans(i int) (from, to uint32) {
	first, end := p.traces(i)
	return p.shape.Spans[first], p.shape.Spans[end]
}

// first is the number of the first element of a trace, of the column's owner.
func (p *groupPages) first(trace int64) uint32 {
	o, ok := ownerOf(p.column.Role)
	switch {
	case !ok:
		return uint32(trace)
	case o == OfResource:
		return p.shape.Resources[trace]
	case o == OfScope:
		return p.shape.Scopes[trace]
	case o == OfSpan:
		return p.shape.Spans[trace]
	default:
		return p.inner[p.shape.Spans[trace]]
	}
}

// read appends page i, which must have the traces that it should.
func (p *groupPages) read(i int, v *parquet.Values) error {
	p.Seek(p.places[i])
	rows := v.Rows
	if err := p.Next(v); err != nil {
		return damaged(err)
	}
	if first, end := p.traces(i); int64(v.Rows-rows) != end-first {
		return fmt.Errorf("%w: a page of %s has %d traces, and the offset index says %d", ErrDamaged, p.column.Name, v.Rows-rows, end-first)
	}
	return nil
}

// zeros appends a zero for each element of page i.
func (p *groupPages) zeros(i int, v *parquet.Values) {
	first, end := p.traces(i)
	n := int(p.first(end) - p.first(first))
	v.Rows += int(end - first)
	switch {
	case p.column.Type == parquet.ByteArray && p.Dictionary() != nil:
		v.IDs = append(v.IDs, make([]uint32, n)...)
	case p.column.Type == parquet.ByteArray:
		for range n {
			v.Bytes.Append(nil)
		}
	default: // there is no other column of this kind
		v.Ints = append(v.Ints, make([]int64, n)...)
	}
}
