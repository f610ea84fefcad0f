package traceql

// grouper finds the group of a span: which values the fields of by() have. Groups
// are numbered over all batches.
type grouper struct {
	fields []Field
	codes  []map[Value]uint32
	values [][]Value
	groups map[[MaxGroupBy]uint32]int
	keys   [][MaxGroupBy]uint32
}

func newGrouper(by []*Attribute) *grouper {
	g := &grouper{groups: map[[MaxGroupBy]uint32]int{}}
	for _, a := range by {
		g.fields = append(g.fields, fieldOf(a))
		g.codes = append(g.codes, map[Value]uint32{})
		g.values = append(g.values, nil)
	}
	return g
}

func (g *grouper) code(k int, v Value) uint32 {
	c, ok := g.codes[k][v]
	if !ok {
		c = uint32(len(g.values[k]))
		g.codes[k][v] = c
		g.values[k] = append(g.values[k], v)
	}
	return c
}

// labels are those of a group. Fields without a value are left out, but if none
// has one the first stays.
func (g *grouper) labels(group int, attrs []*Attribute) []MetricLabel {
	var out []MetricLabel
	for k := range g.fields {
		if v := g.values[k][g.keys[group][k]]; v.Type != TypeNil {
			out = append(out, MetricLabel{attrs[k].Label(), v})
		}
	}
	if len(out) == 0 && len(attrs) > 0 {
		out = append(out, MetricLabel{Name: attrs[0].Label()})
	}
	return out
}

// batchGrouper finds the groups of the spans of one batch.
type batchGrouper struct {
	g      *grouper
	e      *evaluation
	coders []coder
	room   []Value
}

// coder gives the code of one field. It looks up a value once for each entry of
// a dictionary, or each row of a level outside spans.
type coder struct {
	ids   []uint32 // of the dictionary for each span; nil: not in that form
	known []uint32 // code + 1 for each entry or row
	dict  []string
	fr    *fieldRows // of a level outside spans
}

func (g *grouper) in(e *evaluation) *batchGrouper {
	b := &batchGrouper{g: g, e: e, room: make([]Value, 0, 8)}
	for _, f := range g.fields {
		b.coders = append(b.coders, newCoder(e, f))
	}
	return b
}

func newCoder(e *evaluation, f Field) coder {
	if unscoped(f) {
		return coder{}
	}
	fr := e.reader.open(f)
	switch f.Level() {
	case LevelTrace, LevelResource, LevelScope:
		return coder{fr: fr, known: make([]uint32, e.batch.Rows(f.Level()))}
	case LevelSpan:
		if len(fr.v.Parts) == 1 && fr.v.Parts[0].Rows == nil && fr.v.Parts[0].IDs != nil {
			p := &fr.v.Parts[0]
			return coder{ids: p.IDs, dict: p.Dict, known: make([]uint32, len(p.Dict))}
		}
	}
	return coder{}
}

// group is the number of a span's group, or -1 if it would be one more than
// limit.
func (b *batchGrouper) group(span int, limit int) int {
	var key [MaxGroupBy]uint32
	for k := range b.coders {
		key[k] = b.code(k, span)
	}
	n, ok := b.g.groups[key]
	if !ok {
		n = len(b.g.keys)
		if n >= limit {
			return -1
		}
		b.g.groups[key] = n
		b.g.keys = append(b.g.keys, key)
	}
	return n
}

func (b *batchGrouper) code(k, span int) uint32 {
	c := &b.coders[k]
	switch {
	case c.ids != nil:
		id := c.ids[span]
		if c.known[id] == 0 {
			c.known[id] = b.g.code(k, StringValue(c.dict[id])) + 1
		}
		return c.known[id] - 1
	case c.fr != nil && c.fr.offsets != nil:
		row := c.fr.owner(span)
		if c.known[row] == 0 {
			c.known[row] = b.g.code(k, b.value(k, span)) + 1
		}
		return c.known[row] - 1
	default:
		return b.g.code(k, b.value(k, span))
	}
}

func (b *batchGrouper) value(k, span int) Value {
	values := b.e.reader.values(b.g.fields[k], span, b.room)
	if len(values) == 0 {
		return Value{}
	}
	return single(values)
}
