package traceql

// columnBuilder collects the values of a field, row by row in ascending order.
type columnBuilder struct {
	strings struct {
		rows, ids []uint32
		dict      []string
		known     map[string]uint32
	}
	floats struct {
		rows   []uint32
		values []float64
	}
	ints   [TypeAttribute]*intBuilder
	hidden []uint32
	odd    *columnBuilder // of a well-known attribute
}

// oddColumn is where the values go that are not of the column's type.
func (c *columnBuilder) oddColumn() *columnBuilder {
	if c.odd == nil {
		c.odd = &columnBuilder{}
	}
	return c.odd
}

type intBuilder struct {
	rows   []uint32
	values []int64
}

func (c *columnBuilder) addString(row uint32, s []byte) {
	b := &c.strings
	id, ok := b.known[string(s)]
	if !ok {
		if b.known == nil {
			b.known = map[string]uint32{}
		}
		text := string(s)
		id = uint32(len(b.dict))
		b.known[text] = id
		b.dict = append(b.dict, text)
	}
	b.rows, b.ids = append(b.rows, row), append(b.ids, id)
}

func (c *columnBuilder) addFloat(row uint32, f float64) {
	c.floats.rows, c.floats.values = append(c.floats.rows, row), append(c.floats.values, f)
}

func (c *columnBuilder) addInt(row uint32, t Type, n int64) {
	b := c.ints[t]
	if b == nil {
		b = &intBuilder{}
		c.ints[t] = b
	}
	b.rows, b.values = append(b.rows, row), append(b.values, n)
}

func (c *columnBuilder) hide(row uint32) { c.hidden = append(c.hidden, row) }

// vector is the finished column of a level with that many rows. The builder
// must not be used after it.
func (c *columnBuilder) vector(rows int) *Vector {
	v := &Vector{Hidden: c.hidden}
	if c.odd != nil {
		v.Odd = c.odd.vector(rows).Parts
	}
	if b := &c.strings; len(b.ids) > 0 {
		v.Parts = append(v.Parts, Part{Type: TypeString, Rows: sparse(b.rows, rows), IDs: b.ids, Dict: b.dict})
	}
	if b := &c.floats; len(b.values) > 0 {
		v.Parts = append(v.Parts, Part{Type: TypeFloat, Rows: sparse(b.rows, rows), Floats: b.values})
	}
	for t, b := range c.ints {
		if b != nil {
			v.Parts = append(v.Parts, Part{Type: Type(t), Rows: sparse(b.rows, rows), Ints: b.values})
		}
	}
	return v
}

// sparse is nil if each row has one value.
func sparse(rows []uint32, n int) []uint32 {
	if len(rows) != n {
		return rows
	}
	for i, r := range rows {
		if int(r) != i {
			return rows
		}
	}
	return nil
}
