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

// Run are elements of a column's owner, from From up to To.
type Run struct{ From, To uint32 }

// Scan appends the values of a column to v, page by page, without levels. Of a
// column that each element of its owner has, value i is that of element i. Where
// want is given, v has only the values of the runs, which are in pages that are
// wanted; without want, and of other columns, all pages are read, and runs is nil.
// The dictionary is nil for a column without one.
func (g *RowGroup) Scan(ctx context.Context, r Role, want Wanted, v *parquet.Values) (_ *parquet.Dictionary, runs []Run, err error) {
	c := g.b.chunk(g.index, r)
	if c == nil {
		return nil, nil, fmt.Errorf("column of role %d: %w", r, ErrFormat)
	}
	if want == nil || isAttr(r) || g.b.layout.schema.Columns[g.b.layout.role(r)].Optional || r >= StatsService && r <= StatsErrors {
		dict, err := scan(c.Pages(ctx), v)
		return dict, nil, err
	}
	p, err := g.pages(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	runs = []Run{}
	for i := range p.places {
		if from, to := p.spans(i); !want(from, to) {
			continue
		}
		before := values(v)
		if err := p.readWith(i, v, p.NextValues); err != nil {
			return nil, nil, err
		}
		first, end := p.traces(i)
		run := Run{p.first(first), p.first(end)}
		if values(v)-before != int(run.To-run.From) {
			return nil, nil, p.apart()
		}
		runs = append(runs, run)
	}
	return p.Dictionary(), runs, nil
}

// values is how many values of a column of numbers or texts there are.
func values(v *parquet.Values) int { return len(v.Ints) + len(v.IDs) + v.Bytes.Len() }

func scan(pages *parquet.Pages, v *parquet.Values) (*parquet.Dictionary, error) {
	for {
		if err := pages.NextValues(v); errors.Is(err, io.EOF) {
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
func (p *groupPages) read(i int, v *parquet.Values) error { return p.readWith(i, v, p.Next) }

func (p *groupPages) readWith(i int, v *parquet.Values, next func(*parquet.Values) error) error {
	p.Seek(p.places[i])
	rows := v.Rows
	if err := next(v); err != nil {
		return damaged(err)
	}
	if first, end := p.traces(i); int64(v.Rows-rows) != end-first {
		return fmt.Errorf("%w: a page of %s has %d traces, and the offset index says %d", ErrDamaged, p.column.Name, v.Rows-rows, end-first)
	}
	return nil
}
