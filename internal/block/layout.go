package block

import (
	"sync"

	"appliance/internal/block/parquet"
)

// layout is a schema, and what the reader needs to know of it at each row.
type layout struct {
	schema *Schema
	needed []bool // columns that a trace is made of; the others are derived
	owner  [owners]ownerColumns
	roles  [lastRole]int // the column of a role, or -1
}

// role is the column of a role, or -1 where the format has none.
func (l *layout) role(r Role) int { return l.roles[r] }

// ownerColumns are the columns of one owner by what is done with them.
type ownerColumns struct {
	all      []int           // everything that the owner has, attributes too
	attrs    [attrParts]int  // -1 where the format has no such column
	arrays   bool            // the columns of values have lists
	specials []specialColumn // resource and span: attributes with a column of their own
}

// specialColumn holds an attribute, where its value is of the column's type.
type specialColumn struct {
	key    []byte
	column int
	number bool
	empty  bool // the empty text stands for an attribute that is not there
}

var (
	schema3 = sync.OnceValue(newVParquet3)
	schema4 = sync.OnceValue(newVParquet4)
)

// layoutOf is the layout of a block's format, or nil.
func layoutOf(m *Meta) *layout {
	switch m.Format {
	case FormatVParquet4:
		return newLayout(schema4(), m)
	case FormatVParquet3:
		return newLayout(schema3(), m)
	default:
		return nil
	}
}

func newLayout(s *Schema, m *Meta) *layout {
	l := &layout{schema: s, needed: make([]bool, len(s.Columns))}
	for i := range s.Columns {
		c := &s.Columns[i]
		l.needed[i] = !derived(c.Role)
		if o, ok := ownerOf(c.Role); ok && l.needed[i] {
			l.owner[o].all = append(l.owner[o].all, i)
		}
	}
	for r := range l.roles {
		l.roles[r] = s.Column(Role(r))
	}
	for o := range owners {
		for p := range attrParts {
			l.owner[o].attrs[p] = s.Column(o.Attr(p))
		}
		if i := l.owner[o].attrs[AttrText]; i >= 0 {
			l.owner[o].arrays = s.Columns[i].array()
		}
	}
	l.addSpecials(OfResource, []special{{serviceName, ResourceService}})
	l.addSpecials(OfResource, resourceSpecials[:])
	l.addSpecials(OfSpan, spanSpecials[:])
	for _, o := range []Owner{OfResource, OfSpan} {
		for n, key := range m.dedicated(o) {
			if n < maxDedicated {
				l.addSpecials(o, []special{{key, o.Dedicated(n + 1)}})
			}
		}
	}
	return l
}

func (l *layout) addSpecials(o Owner, list []special) {
	for _, s := range list {
		if i := l.schema.Column(s.role); i >= 0 {
			c := specialColumn{key: []byte(s.key), column: i, number: l.schema.Columns[i].Type == parquet.Int64, empty: s.role == ResourceService}
			l.owner[o].specials = append(l.owner[o].specials, c)
		}
	}
}

// derived says whether what a column holds can be computed from the others.
func derived(r Role) bool {
	return r > TraceID && r <= StatsErrors || r == SpanParent || r == SpanLeft || r == SpanRight
}

// ownerOf tells whose column has a role. Some are of the trace.
func ownerOf(r Role) (o Owner, ok bool) {
	switch {
	case r <= StatsErrors:
		return 0, false
	case r <= ResourceK8sContainer:
		return OfResource, true
	case r <= ScopeDropped:
		return OfScope, true
	case r <= SpanHTTPStatus:
		return OfSpan, true
	case r <= EventDropped:
		return OfEvent, true
	case r <= LinkDropped:
		return OfLink, true
	case r < firstDedicated:
		return Owner((r - firstAttr) / Role(attrParts)), true
	default:
		return Owner((r - firstDedicated) / maxDedicated), true
	}
}

// isAttr says whether a column is one of those of attributes, of which an
// element may have many.
func isAttr(r Role) bool { return r >= firstAttr && r < firstDedicated }

// array says whether a column of attributes has a list of values for each.
func (c *Column) array() bool {
	o, _ := ownerOf(c.Role)
	return isAttr(c.Role) && c.MaxRep == o.level()+2
}

// level is the level of repetition at which the next element of an owner comes.
func (o Owner) level() uint8 {
	return [owners]uint8{repResource, repScope, repSpan, repEvent, repEvent}[o]
}
