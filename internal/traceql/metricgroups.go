package traceql

import (
	"fmt"
	"math"
)

// grouper finds the group of a span: which values the fields of by() have. Groups
// are numbered over all batches.
//
// Once there was no room for a group there is none for any other: a group that is
// taken later would lack the spans that came before.
type grouper struct {
	budget *Budget
	over   error // why there is no room

	fields []Field
	codes  []map[Value]uint32
	values [][]Value
	groups map[[MaxGroupBy]uint32]int
	byCode []int // group + 1, where there is one field
	keys   [][MaxGroupBy]uint32
}

func newGrouper(by []*Attribute, b *Budget) *grouper {
	g := &grouper{budget: b, groups: map[[MaxGroupBy]uint32]int{}}
	for _, a := range by {
		g.fields = append(g.fields, fieldOf(a))
		g.codes = append(g.codes, map[Value]uint32{})
		g.values = append(g.values, nil)
	}
	return g
}

// noCode is that of a value whose group there is no room for.
const noCode = math.MaxUint32 - 1

// room says whether there is room for one more group.
func (g *grouper) room() bool {
	if n := g.budget.series(); g.over == nil && len(g.keys) >= n {
		g.over = fmt.Errorf("%w: by() makes more than %d series", ErrOverBudget, n)
	}
	return g.over == nil
}

func (g *grouper) code(k int, v Value) uint32 {
	c, ok := g.codes[k][v]
	if !ok {
		if !g.room() {
			return noCode
		}
		if g.over = g.budget.hold(int64(len(v.Str))); g.over != nil {
			return noCode
		}
		v = v.detached()
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
	known []uint32 // code + 1 for each entry, or row
	ids   []uint32 // the entry for each row; nil: known is by row
	dict  []string
	fr    *fieldRows // nil: there is no such shortcut
}

func (g *grouper) in(e *evaluation) *batchGrouper {
	b := &batchGrouper{g: g, e: e, room: make([]Value, 0, 8)}
	for _, f := range g.fields {
		b.coders = append(b.coders, newCoder(e, f))
	}
	return b
}

func newCoder(e *evaluation, f Field) coder {
	if l := f.Level(); unscoped(f) || l == LevelEvent || l == LevelLink {
		return coder{}
	}
	fr := e.reader.open(f)
	if len(fr.v.Parts) == 1 && fr.v.Parts[0].Rows == nil && fr.v.Parts[0].IDs != nil {
		p := &fr.v.Parts[0]
		return coder{fr: fr, ids: p.IDs, dict: p.Dict, known: make([]uint32, len(p.Dict))}
	}
	if f.Level() == LevelSpan {
		return coder{}
	}
	return coder{fr: fr, known: make([]uint32, e.batch.Rows(f.Level()))}
}

// group is the number of a span's group, or -1 if there is no room for it.
func (b *batchGrouper) group(span int) int {
	if len(b.coders) == 1 {
		return b.groupByOne(b.code(0, span))
	}
	if len(b.coders) == 0 && len(b.g.keys) == 1 {
		return 0
	}
	var key [MaxGroupBy]uint32
	for k := range b.coders {
		if key[k] = b.code(k, span); key[k] == noCode {
			return -1
		}
	}
	n, ok := b.g.groups[key]
	if !ok {
		if n = b.g.add(key); n >= 0 {
			b.g.groups[key] = n
		}
	}
	return n
}

func (b *batchGrouper) groupByOne(code uint32) int {
	if code == noCode {
		return -1
	}
	for int(code) >= len(b.g.byCode) {
		b.g.byCode = append(b.g.byCode, 0)
	}
	if b.g.byCode[code] == 0 {
		b.g.byCode[code] = b.g.add([MaxGroupBy]uint32{code}) + 1
	}
	return b.g.byCode[code] - 1
}

func (g *grouper) add(key [MaxGroupBy]uint32) int {
	if !g.room() {
		return -1
	}
	g.keys = append(g.keys, key)
	return len(g.keys) - 1
}

func (b *batchGrouper) code(k, span int) uint32 {
	c := &b.coders[k]
	if c.fr == nil {
		return b.g.code(k, b.value(k, span))
	}
	at := span
	if c.fr.offsets != nil {
		at = c.fr.owner(span)
	}
	if c.ids != nil {
		at = int(c.ids[at])
	}
	if c.known[at] == 0 {
		v := Value{}
		if c.ids != nil {
			v = StringValue(c.dict[at])
		} else {
			v = b.value(k, span)
		}
		c.known[at] = b.g.code(k, v) + 1
	}
	return c.known[at] - 1
}

func (b *batchGrouper) value(k, span int) Value {
	values := b.e.reader.values(b.g.fields[k], span, b.room)
	if len(values) == 0 {
		return Value{}
	}
	return single(values)
}
