package block

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"appliance/internal/block/parquet"
)

// pageSet reads a row group page by page, all columns at the same time. It can
// where the pages of all columns end with the same rows, as those of a Builder
// do. Each page is held against its indexes, and all columns against each other.
type pageSet struct {
	*layout
	readers []parquet.Verifier // one a column of the schema
	values  []parquet.Values   // the current pages
	hashes  [][]uint64         // of the values in dictionaries
	rows    int                // of the current pages
	pages   int64              // that were read
}

// errUneven says that the pages of two columns do not end with the same rows.
var errUneven = errors.New("pages of columns do not end with the same rows")

func newPageSet(l *layout) *pageSet {
	n := len(l.schema.Columns)
	return &pageSet{layout: l, readers: make([]parquet.Verifier, n), values: make([]parquet.Values, n), hashes: make([][]uint64, n)}
}

// start begins with the first pages of a row group.
func (s *pageSet) start(ctx context.Context, b *Block, group int) error {
	for i := range s.readers {
		if err := s.readers[i].Start(ctx, &b.file.Groups[group].Chunks[b.columns[i]]); err != nil {
			return err
		}
		s.hashes[i] = s.hashes[i][:0]
	}
	return nil
}

// next reads the next page of each column. It returns io.EOF after the last, and
// errUneven where the columns have other pages.
func (s *pageSet) next() error {
	ended := 0
	for i := range s.readers {
		v := &s.values[i]
		v.Reset()
		if err := s.readers[i].Next(v); errors.Is(err, io.EOF) {
			ended++
			continue
		} else if err != nil {
			return err
		}
		if ended > 0 || i > 0 && v.Rows != s.rows {
			return errUneven
		}
		s.rows = v.Rows
		s.pages++
		if d := s.readers[i].Dictionary(); d != nil && len(s.hashes[i]) == 0 {
			for id := range d.Len() {
				s.hashes[i] = push(nil, s.hashes[i], textHash(d.At(uint32(id))))
			}
		}
	}
	if ended == len(s.readers) {
		return io.EOF
	}
	if ended > 0 {
		return errUneven
	}
	return s.check()
}

// listOf is one of the lists that columns hang on: a column that has a value in
// each element, and the level of these.
type listOf struct {
	driver Role
	level  uint8
}

// listOfRole is the list whose elements have a value of a role; ok is false for
// what a trace has once.
func listOfRole(r Role) (l listOf, ok bool) {
	switch {
	case r < StatsService:
		return l, false
	case r <= StatsErrors:
		return listOf{StatsService, 1}, true
	case isAttr(r):
		o, _ := ownerOf(r)
		return listOf{o.Attr(AttrKey), o.level() + 1}, true
	}
	o, _ := ownerOf(r)
	return o.list(), true
}

// list is the list of an owner's elements.
func (o Owner) list() listOf {
	drivers := [owners]Role{ResourceService, ScopeName, SpanID, EventName, LinkTraceID}
	return listOf{drivers[o], o.level()}
}

// check holds the levels of all columns against each other.
func (s *pageSet) check() error {
	for _, r := range [...]Role{StatsService, ResourceService} {
		if i := s.role(r); !beginsRow(&s.values[i]) {
			return fmt.Errorf("column %s: %w", s.schema.Columns[i].Name, errApart)
		}
	}
	for i := range s.schema.Columns {
		c := &s.schema.Columns[i]
		l, ok := listOfRole(c.Role)
		if !ok || c.Role == l.driver {
			continue
		}
		if !sameList(&s.values[i], &s.values[s.role(l.driver)], c, l.level) {
			return fmt.Errorf("column %s: %w", c.Name, errApart)
		}
	}
	for o := range owners {
		list := o.list()
		driver := &s.values[s.role(list.driver)]
		if o != OfResource {
			parent := [owners]Owner{OfScope: OfResource, OfSpan: OfScope, OfEvent: OfSpan, OfLink: OfSpan}[o].list()
			if !below(driver, &s.values[s.role(parent.driver)], parent.level) {
				return fmt.Errorf("column %s: %w", s.schema.Columns[s.role(list.driver)].Name, errApart)
			}
		}
		if key := s.role(o.Attr(AttrKey)); !below(&s.values[key], driver, list.level) {
			return fmt.Errorf("column %s: %w", s.schema.Columns[key].Name, errApart)
		}
	}
	return nil
}

// text is a value of a column of text.
func (s *pageSet) text(column, i int) []byte {
	if v := &s.values[column]; len(v.IDs) == 0 {
		return v.Bytes.At(i)
	}
	return s.readers[column].Dictionary().At(s.values[column].IDs[i])
}

// beginsRow says whether a page begins with a row, and does not go on in one.
func beginsRow(v *parquet.Values) bool { return len(v.Rep) == 0 || v.Rep[0] == 0 }

// sameList says whether a column has an entry for each of its list, at the level
// of which driver has a value. A column of lists may have several.
func sameList(v, driver *parquet.Values, c *Column, level uint8) bool {
	if bytes.Equal(v.Rep, driver.Rep) && bytes.Equal(v.Def, driver.Def) {
		return true
	}
	if c.MaxDef == level {
		return false
	}
	j := 0
	for i, rep := range driver.Rep {
		if j == len(v.Rep) || v.Rep[j] != rep || driver.Def[i] < level && v.Def[j] != driver.Def[i] || driver.Def[i] == level && v.Def[j] < level {
			return false
		}
		full := v.Def[j] > level
		for j++; j < len(v.Rep) && v.Rep[j] > level; j++ {
			if !full || v.Def[j] <= level {
				return false
			}
		}
	}
	return j == len(v.Rep)
}

// below says whether each element of a parent, at a level, has entries in a
// list below it: elements, or one null.
func below(v, parent *parquet.Values, level uint8) bool {
	i := 0
	for j, rep := range v.Rep {
		if rep > level {
			if j == 0 || v.Def[j] != level+1 || v.Def[j-1] != level+1 {
				return false
			}
			continue
		}
		if i == len(parent.Rep) || parent.Rep[i] != rep {
			return false
		}
		if def := parent.Def[i]; def < level && v.Def[j] != def || def >= level && v.Def[j] < level {
			return false
		}
		i++
	}
	return i == len(parent.Rep)
}
