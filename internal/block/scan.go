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
// want is given, v has only the values of the runs, which are of traces with a span
// that is wanted; without want, and of other columns, it has all, and runs is nil.
// The dictionary is nil for a column without one.
func (g *RowGroup) Scan(ctx context.Context, r Role, want Wanted, v *parquet.Values) (_ *parquet.Dictionary, runs []Run, err error) {
	c := g.b.chunk(g.index, r)
	if c == nil {
		return nil, nil, fmt.Errorf("column of role %d: %w", r, ErrFormat)
	}
	if want == nil || isAttr(r) || g.b.layout.schema.Columns[g.b.layout.role(r)].Optional || r >= StatsService && r <= StatsErrors {
		pages := g.b.opts.Readers.pagesOf(ctx, c)
		defer g.b.opts.Readers.giveBack(pages)
		dict, err := scan(&pages.Pages, v)
		return dict, nil, err
	}
	p, err := g.pages(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	defer g.b.opts.Readers.giveBack(p.pageReader)
	runs = []Run{}
	for i := range p.places {
		if from, to := p.spans(i); !want(from, to) {
			continue
		}
		if err := p.readWith(i, p.NextValues); err != nil {
			return nil, nil, err
		}
		first, end := p.traces(i)
		from := p.first(first)
		if values(&p.page) != int(p.first(end)-from) {
			return nil, nil, p.apart()
		}
		for _, run := range p.wanted(i, want) {
			appendValues(v, &p.page, int(run.From-from), int(run.To-from))
			runs = append(runs, run)
		}
	}
	return p.Dictionary(), runs, nil
}

// wanted are the elements of page i that are of traces with a span that is wanted.
func (p *groupPages) wanted(i int, want Wanted) (runs []Run) {
	first, end := p.traces(i)
	for trace := first; trace < end; trace++ {
		if !want(p.shape.Spans[trace], p.shape.Spans[trace+1]) {
			continue
		}
		run := Run{p.first(trace), p.first(trace + 1)}
		if n := len(runs); n > 0 && runs[n-1].To == run.From {
			runs[n-1].To = run.To
		} else {
			runs = append(runs, run)
		}
	}
	return runs
}

// appendValues appends the numbers or texts of from, from up to to.
func appendValues(v, of *parquet.Values, from, to int) {
	switch {
	case len(of.Ints) > 0:
		v.Ints = append(v.Ints, of.Ints[from:to]...)
	case len(of.IDs) > 0:
		v.IDs = append(v.IDs, of.IDs[from:to]...)
	default:
		for k := from; k < to; k++ {
			v.Bytes.Append(of.Bytes.At(k))
		}
	}
}

// ScanInts calls visit with the numbers of a column that has one for each of its
// elements, some at a time. How many these are can be divided by 64, but for the last
// time. They are valid during the call.
func (g *RowGroup) ScanInts(ctx context.Context, r Role, visit func([]int64) error) error {
	c := g.b.chunk(g.index, r)
	if c == nil {
		return fmt.Errorf("column of role %d: %w", r, ErrFormat)
	}
	pages := g.b.opts.Readers.pagesOf(ctx, c)
	defer g.b.opts.Readers.giveBack(pages)
	for v := &pages.page; ; {
		err := pages.NextValues(v)
		n := len(v.Ints)
		switch {
		case errors.Is(err, io.EOF):
			return visit(v.Ints)
		case err != nil:
			return damaged(err)
		}
		n &^= 63
		if err := visit(v.Ints[:n]); err != nil {
			return err
		}
		v.Ints = append(v.Ints[:0], v.Ints[n:]...)
	}
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
	*pageReader
	column *Column
	shape  *Shape
	inner  []uint32 // of a column of events or links
	places []parquet.PageLocation
	rows   int64
}

// pages reads the places of the pages of a column, and its dictionary. The reader is to
// be given back.
func (g *RowGroup) pages(ctx context.Context, r Role) (*groupPages, error) {
	c := g.b.chunk(g.index, r)
	p := &groupPages{column: &g.b.layout.schema.Columns[g.b.layout.role(r)], rows: c.Rows()}
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
	var dict *parquet.Dictionary
	if c.HasDictionary() {
		if dict, err = g.dictionary(ctx, r); err != nil {
			return nil, err
		}
	}
	p.pageReader = g.b.opts.Readers.pagesOf(ctx, c)
	p.SetDictionary(dict)
	return p, nil
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

// read reads page i, which must have the traces that it should. Its values are valid
// until the next.
func (p *groupPages) read(i int) (*parquet.Values, error) { return &p.page, p.readWith(i, p.Next) }

func (p *groupPages) readWith(i int, next func(*parquet.Values) error) error {
	p.Seek(p.places[i])
	p.page.Reset()
	if err := next(&p.page); err != nil {
		return damaged(err)
	}
	if first, end := p.traces(i); int64(p.page.Rows) != end-first {
		return fmt.Errorf("%w: a page of %s has %d traces, and the offset index says %d", ErrDamaged, p.column.Name, p.page.Rows, end-first)
	}
	return nil
}
