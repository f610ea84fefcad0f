package block

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"appliance/internal/block/parquet"
)

// RowGroup is a run of traces, whose columns can be read one by one. It keeps
// the dictionaries that it has read, so a query makes one for itself; the shape
// is kept by the block. Its methods may be called at the same time.
//
// Traces, resources, scopes, spans, events and links are numbered within the row
// group, each in the order of the file. Elements of an owner are meant by these
// numbers.
type RowGroup struct {
	b     *Block
	index int

	mu    sync.Mutex
	dicts map[Role]*parquet.Dictionary
	shape *Shape
	inner [owners][]uint32 // events and links by their spans
}

// RowGroups is how many row groups the block has.
func (b *Block) RowGroups() int { return len(b.file.Groups) }

// RowGroup returns one, of which nothing is read yet.
func (b *Block) RowGroup(i int) *RowGroup {
	return &RowGroup{b: b, index: i, dicts: map[Role]*parquet.Dictionary{}}
}

// Traces is how many traces the row group has.
func (g *RowGroup) Traces() int64 { return g.b.file.Groups[g.index].Rows }

// Has says whether a column of the role exists and, as far as statistics tell,
// has a value.
func (g *RowGroup) Has(r Role) bool {
	c := g.b.chunk(g.index, r)
	return c != nil && !c.AllNull()
}

// Bytes is how much a column takes in the file, 0 for one that does not exist.
func (g *RowGroup) Bytes(r Role) int64 {
	if c := g.b.chunk(g.index, r); c != nil {
		return c.Bytes()
	}
	return 0
}

// Own are the roles of the columns that an attribute of an owner has for itself.
func (g *RowGroup) Own(o Owner, key string) (roles []Role) {
	for _, s := range g.b.layout.owner[o].specials {
		if string(s.key) == key {
			roles = append(roles, g.b.layout.schema.Columns[s.column].Role)
		}
	}
	return roles
}

// Bounds are the least and the greatest value of a column of numbers, in the
// order of its type: ok is false where they are not known. Nothing is read.
func (g *RowGroup) Bounds(r Role) (low, high int64, ok bool) {
	c := g.b.chunk(g.index, r)
	if c == nil {
		return 0, 0, false
	}
	s := c.Statistics()
	low, lowOK := number(c.Column.Type, s.Min)
	high, highOK := number(c.Column.Type, s.Max)
	return low, high, lowOK && highOK
}

// number reads a bound.
func number(t parquet.Type, b []byte) (int64, bool) {
	switch {
	case t == parquet.Int64 && len(b) == 8:
		return int64(binary.LittleEndian.Uint64(b)), true
	case t == parquet.Int32 && len(b) == 4:
		return int64(int32(binary.LittleEndian.Uint32(b))), true
	}
	return 0, false
}

// Dictionary has the distinct values of a column of text, or is nil if the
// column has none or is not of one. It reads the dictionary's page alone.
func (g *RowGroup) Dictionary(ctx context.Context, r Role) (*parquet.Dictionary, error) {
	if c := g.b.chunk(g.index, r); c == nil || !c.OnlyDictionary() {
		return nil, nil
	}
	return g.dictionary(ctx, r)
}

// dictionary is that of a column, which may also have values that are not in it
// where the footer does not say.
func (g *RowGroup) dictionary(ctx context.Context, r Role) (*parquet.Dictionary, error) {
	c := g.b.chunk(g.index, r)
	g.mu.Lock()
	defer g.mu.Unlock()
	if d, ok := g.dicts[r]; ok {
		return d, nil
	}
	var spare *parquet.Dictionary
	if large(c) {
		if spare, _ = g.b.opts.Readers.dicts.Get().(*parquet.Dictionary); spare == nil {
			spare = &parquet.Dictionary{}
		}
	}
	d, err := c.Dictionary(ctx, spare)
	if err != nil {
		return nil, damaged(err)
	}
	if d == nil {
		return nil, fmt.Errorf("%w: column %s has no dictionary", ErrDamaged, c.Column.Path)
	}
	g.dicts[r] = d
	return d, nil
}

// large says whether the memory of a dictionary is worth to be used again: it is cleared
// before, and touched, which takes as long as reading it.
func large(c *parquet.Chunk) bool { return c.DictionaryRange().Length >= 128<<10 }

// DropDictionaries forgets the large dictionaries but for those that keep is true of.
// Their memory is used for others: nobody may read them any more.
func (g *RowGroup) DropDictionaries(keep func(*parquet.Dictionary) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for r, d := range g.dicts {
		if large(g.b.chunk(g.index, r)) && !keep(d) {
			delete(g.dicts, r)
			g.b.opts.Readers.giveBackDictionary(d)
		}
	}
}
