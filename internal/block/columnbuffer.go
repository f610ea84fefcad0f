package block

import (
	"math/bits"

	"appliance/internal/block/parquet"
)

// list has the levels of one list of the schema, an entry for each of its
// elements and one for each parent without any. The columns below it share
// them.
type list struct {
	mem              *slab
	rep, def         []uint8
	repRuns, defRuns [4][]byte // the same, encoded, by the width of a level
	mark             int       // where a row that is being copied begins
}

func (l *list) add(rep, def uint8) {
	l.rep = push(l.mem, l.rep, rep)
	l.def = push(l.mem, l.def, def)
}

// reset begins a page.
func (l *list) reset() {
	l.rep, l.def = l.rep[:0], l.def[:0]
	for w := range l.repRuns {
		l.repRuns[w], l.defRuns[w] = l.repRuns[w][:0], l.defRuns[w][:0]
	}
}

func (l *list) encodedRep(width int) []byte {
	if len(l.repRuns[width]) == 0 {
		l.repRuns[width] = parquet.AppendHybrid(l.repRuns[width], l.rep, width)
	}
	return l.repRuns[width]
}

func (l *list) encodedDef(width int) []byte {
	if len(l.defRuns[width]) == 0 {
		l.defRuns[width] = parquet.AppendHybrid(l.defRuns[width], l.def, width)
	}
	return l.defRuns[width]
}

// columnBuffer holds the entries of one column that are in no page yet, and the
// pages of its chunk.
type columnBuffer struct {
	*Column
	mem  *slab
	list *list // nil: an entry a row

	// Levels of its own, once there is a value where the list alone would have
	// a null: for the first seen entries of the list. rep is in use from the
	// first entry with two values on.
	rep, def []uint8
	seen     int
	diverged bool

	ints  []int64 // numbers, bits of doubles, or lengths of the strings in data
	bools []bool
	data  []byte
	ids   []uint32
	dict  *dictionary // of columns that have one
	// places are where the words of the vocabulary are in it, plus 1.
	places []uint32

	bounds bounds
	writer parquet.ChunkWriter
	runs   [2][]byte
}

func newColumnBuffer(c *Column, l *list, mem *slab, memory *parquet.PageMemory) *columnBuffer {
	b := &columnBuffer{Column: c, list: l, mem: mem}
	b.writer = parquet.ChunkWriter{
		Path: c.Path, Type: c.Type, Encoding: c.Encoding, MaxRep: c.MaxRep, MaxDef: c.MaxDef, Compress: !random(c.Role),
		Compare: c.compareBounds, Memory: memory,
	}
	if c.Encoding == parquet.RLEDictionary {
		b.dict = newDictionary(mem)
	}
	return b
}

// random says that a column has ids, on which a compressor gains little. Of the
// parents' it would gain a third, for a fortieth of the time that a block takes.
func random(r Role) bool {
	return r == TraceID || r == SpanID || r == SpanParentSpanID
}

// nextChunk forgets the pages that were made.
func (c *columnBuffer) nextChunk() {
	c.writer.Reset()
	c.bounds.buf = c.bounds.buf[:0]
	if c.dict != nil {
		c.dict.reset()
		c.places = c.places[:0]
	}
}

// int adds a number, or the bits of a double.
func (c *columnBuffer) int(v int64) { c.ints = push(c.mem, c.ints, v) }

// text adds a byte string.
func (c *columnBuffer) text(v []byte) {
	if c.dict != nil {
		c.ids = push(c.mem, c.ids, c.dict.id(v))
		return
	}
	c.ints = push(c.mem, c.ints, int64(len(v)))
	c.data = pushAll(c.mem, c.data, v)
}

// word adds a byte string to a column that has a dictionary, and returns its
// hash.
func (c *columnBuffer) word(v []byte) uint64 {
	id := c.dict.id(v)
	c.ids = push(c.mem, c.ids, id)
	return c.dict.hash(id)
}

// present says that the current entry of the list has a value, or one more, in
// a column whose value may be missing there.
func (c *columnBuffer) present() {
	current := len(c.list.def) - 1
	if c.seen <= current {
		c.catchUp(current)
		c.def = push(c.mem, c.def, c.MaxDef)
		if c.diverged {
			c.rep = push(c.mem, c.rep, c.list.rep[current])
		}
		c.seen = current + 1
		return
	}
	if !c.diverged {
		c.rep = append(c.rep[:0], c.list.rep[:c.seen]...)
		c.diverged = true
	}
	c.def = push(c.mem, c.def, c.MaxDef)
	c.rep = push(c.mem, c.rep, c.MaxRep)
}

// catchUp takes over the list's entries up to end, which have no value here.
func (c *columnBuffer) catchUp(end int) {
	c.def = pushAll(c.mem, c.def, c.list.def[c.seen:end])
	if c.diverged {
		c.rep = pushAll(c.mem, c.rep, c.list.rep[c.seen:end])
	}
	c.seen = end
}

// flush makes a page of what is there.
func (c *columnBuffer) flush(rows int) {
	p := parquet.Page{Rows: rows, Entries: rows}
	if c.list != nil {
		c.levels(&p)
	}
	n := len(c.ints) + len(c.bools) + len(c.ids)
	p.Nulls = p.Entries - n
	if n > 0 {
		p.Bounds = c.pageBounds()
	}
	c.writer.AddPage(&p, c)
	c.rep, c.def, c.seen, c.diverged = c.rep[:0], c.def[:0], 0, false
	c.ints, c.bools, c.data, c.ids = c.ints[:0], c.bools[:0], c.data[:0], c.ids[:0]
}

func (c *columnBuffer) levels(p *parquet.Page) {
	repWidth, defWidth := parquet.LevelWidth(c.MaxRep), parquet.LevelWidth(c.MaxDef)
	if c.seen == 0 {
		p.Entries = len(c.list.def)
		p.Rep, p.Def = c.list.encodedRep(repWidth), c.list.encodedDef(defWidth)
		return
	}
	c.catchUp(len(c.list.def))
	p.Entries = len(c.def)
	c.runs[1] = parquet.AppendHybrid(c.runs[1][:0], c.def, defWidth)
	p.Def = c.runs[1]
	if c.diverged {
		c.runs[0] = parquet.AppendHybrid(c.runs[0][:0], c.rep, repWidth)
		p.Rep = c.runs[0]
	} else {
		p.Rep = c.list.encodedRep(repWidth)
	}
}

// AppendValues encodes the values of a page.
func (c *columnBuffer) AppendValues(dst []byte) []byte {
	switch c.Encoding {
	case parquet.RLEDictionary:
		width := 0
		if n := c.dict.len(); n > 0 {
			width = bits.Len32(uint32(n - 1))
		}
		return parquet.AppendHybrid(append(dst, byte(width)), c.ids, width)
	case parquet.DeltaLengthByteArray:
		return parquet.AppendDeltaLength(dst, c.ints, c.data)
	case parquet.DeltaBinaryPacked:
		if c.Type == parquet.Int32 {
			return parquet.AppendDelta32(dst, c.ints)
		}
		return parquet.AppendDelta64(dst, c.ints)
	}
	switch c.Type {
	case parquet.Boolean:
		return parquet.AppendPlainBools(dst, c.bools)
	case parquet.Int32:
		return parquet.AppendPlain32(dst, c.ints)
	}
	return parquet.AppendPlain64(dst, c.ints)
}

// pageBounds bounds the values of the page. In a column with a dictionary they
// are those of all values so far.
func (c *columnBuffer) pageBounds() parquet.Bounds {
	switch {
	case c.dict != nil:
		return c.bounds.text(c.dict.value(c.dict.least), c.dict.value(c.dict.most))
	case c.Type == parquet.ByteArray:
		return c.bounds.strings(c.ints, c.data)
	case c.Type == parquet.Double:
		return c.bounds.doubles(c.ints)
	case c.Type == parquet.Boolean:
		return c.bounds.bits(c.bools)
	case c.Type == parquet.Int32:
		return c.bounds.integers(c.ints, c.Unsigned, 4)
	}
	return c.bounds.integers(c.ints, c.Unsigned, 8)
}
