package block

import "appliance/internal/block/parquet"

// columns are the buffers of all columns of a schema, and the lists that they
// hang on.
type columns struct {
	schema *Schema
	all    []*columnBuffer // in the order of the file
	slab   *slab
	memory parquet.PageMemory
	group  int // number of the row group, from 1
	by     [lastRole]*columnBuffer

	stats, resources, scopes, spans, events, links list
	attrs                                          [owners]attrColumns
}

func newColumns(s *Schema) *columns {
	c := &columns{schema: s, group: 1, slab: newSlab()}
	c.memory.Take = c.slab.take
	for _, l := range c.lists() {
		l.mem = c.slab
	}
	for i := range s.Columns {
		column := &s.Columns[i]
		buffer := newColumnBuffer(column, c.listOf(column.Role), c.slab, &c.memory)
		c.all = append(c.all, buffer)
		c.by[column.Role] = buffer
	}
	for o := range owners {
		c.attrs[o].bind(c, o)
	}
	return c
}

// listOf is the list whose elements have a value of a role.
func (c *columns) listOf(r Role) *list {
	switch {
	case r >= OfSpan.Dedicated(1) && r < OfEvent.Dedicated(1):
		return &c.spans
	case r >= firstDedicated:
		return &c.resources
	case r >= firstAttr:
		return &c.attrs[(r-firstAttr)/Role(attrParts)].list
	case r >= LinkTraceID:
		return &c.links
	case r >= EventTime:
		return &c.events
	case r >= SpanID:
		return &c.spans
	case r >= ScopeName:
		return &c.scopes
	case r >= ResourceDropped:
		return &c.resources
	case r >= StatsService:
		return &c.stats
	}
	return nil
}

// flush makes a page in each column of the rows that are there.
func (c *columns) flush(rows int) {
	for _, b := range c.all {
		b.flush(rows)
	}
	for _, l := range c.lists() {
		l.reset()
	}
}

// lists are all lists.
func (c *columns) lists() []*list {
	all := []*list{&c.stats, &c.resources, &c.scopes, &c.spans, &c.events, &c.links}
	for o := range c.attrs {
		all = append(all, &c.attrs[o].list)
	}
	return all
}

// size is about how many bytes of memory the pages and dictionaries take.
func (c *columns) size() int {
	n := c.memory.Size()
	for _, b := range c.all {
		if b.dict != nil {
			n += len(b.dict.page) + 16*b.dict.len()
		}
	}
	return n
}

// nextRowGroup forgets all pages.
func (c *columns) nextRowGroup() {
	c.group++
	for _, b := range c.all {
		b.nextChunk()
	}
	c.memory.Reset()
}

// attrColumns are the seven columns of the attributes of one owner.
type attrColumns struct {
	list                       list
	rep                        uint8 // level of an attribute that is not its owner's first
	def                        uint8 // level of an attribute
	key, isArray               *columnBuffer
	text, ints, doubles, bools *columnBuffer
	unsupported                *columnBuffer
	n                          int   // attributes of the current owner
	ownerRep                   uint8 // level of the current owner
	sum                        uint64
}

func (a *attrColumns) bind(c *columns, o Owner) {
	a.key, a.isArray = c.by[o.Attr(AttrKey)], c.by[o.Attr(AttrIsArray)]
	a.text, a.ints = c.by[o.Attr(AttrText)], c.by[o.Attr(AttrInt)]
	a.doubles, a.bools = c.by[o.Attr(AttrDouble)], c.by[o.Attr(AttrBool)]
	a.unsupported = c.by[o.Attr(AttrUnsupported)]
	a.rep, a.def = a.key.MaxRep, a.key.MaxDef
}

// begin begins an owner, with its repetition level.
func (a *attrColumns) begin(ownerRep uint8) { a.n, a.ownerRep, a.sum = 0, ownerRep, 0 }

// add adds an attribute without its value, and returns the hash of its key.
func (a *attrColumns) add(key []byte, isArray bool) uint64 {
	a.entry(isArray)
	return a.key.word(key)
}

// entry adds an attribute without its key and value.
func (a *attrColumns) entry(isArray bool) {
	rep := a.rep
	if a.n == 0 {
		rep = a.ownerRep
	}
	a.n++
	a.list.add(rep, a.def)
	a.isArray.bools = push(a.isArray.mem, a.isArray.bools, isArray)
}

// end ends an owner, and says with its definition level if it has none.
func (a *attrColumns) end(ownerDef uint8) {
	if a.n == 0 {
		a.list.add(a.ownerRep, ownerDef)
	}
}
