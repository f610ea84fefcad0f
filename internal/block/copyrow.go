package block

import (
	"math"

	"appliance/internal/block/parquet"
)

// copyRow copies the entries of the current trace of a source, column by column.
func (m *Merger) copyRow(s *MergeSource) error {
	spans := s.Spans()
	if err := m.w.room(spans, 0); err != nil {
		return err
	}
	c := m.w.shredder.columns
	places := m.placesOf(s)
	for i, b := range c.all {
		if s.copies[i].levels == levelsDriver {
			part := &s.copies[i]
			v := &s.set.values[i]
			b.list.mark = len(b.list.def)
			b.list.rep = pushAll(b.list.mem, b.list.rep, v.Rep[part.entry:part.entryEnd])
			b.list.def = pushAll(b.list.mem, b.list.def, v.Def[part.entry:part.entryEnd])
		}
	}
	bytes := 0
	for i, b := range c.all {
		if s.copies[i].levels == levelsEmpty {
			continue
		}
		part, v := s.part(i), &s.set.values[i]
		if s.copies[i].levels == levelsOwn {
			b.copyLevels(v.Rep[part.entry:part.entryEnd], v.Def[part.entry:part.entryEnd])
		}
		if part.value < part.valueEnd {
			dict := s.set.readers[i].Dictionary()
			bytes += b.copyValues(v, dict, &places.columns[i], part.value, part.valueEnd)
		}
	}
	start, end := s.set.values[s.set.role(TraceStart)].Ints[s.row], s.set.values[s.set.role(TraceEnd)].Ints[s.row]
	m.w.row(&s.id, spans, bytes, uint64(start), uint64(end))
	return nil
}

// placesOf is the map of a source's dictionaries to those of the block. It begins
// again with each row group of either.
func (m *Merger) placesOf(s *MergeSource) *placeMap {
	p := m.maps[s]
	if p == nil {
		p = &placeMap{columns: make([][]uint32, len(s.copies))}
		m.maps[s] = p
	}
	if to := m.w.shredder.columns.group; p.from != s.groups || p.to != to {
		p.from, p.to = s.groups, to
		for i := range p.columns {
			p.columns[i] = p.columns[i][:0]
		}
	}
	return p
}

// copyLevels adds a row with levels that are not those of the list, which has the
// row already, from its mark on.
func (c *columnBuffer) copyLevels(rep, def []uint8) {
	mark := c.list.mark
	if c.seen < mark {
		c.catchUp(mark)
	}
	if !c.diverged && len(def) != len(c.list.def)-mark {
		c.rep = append(c.rep[:0], c.list.rep[:mark]...)
		c.diverged = true
	}
	c.def = pushAll(c.mem, c.def, def)
	if c.diverged {
		c.rep = pushAll(c.mem, c.rep, rep)
	}
	c.seen = len(c.list.def)
}

// copyValues adds the values of a row, and returns about how many bytes of memory
// they take.
func (c *columnBuffer) copyValues(v *parquet.Values, dict *parquet.Dictionary, places *[]uint32, from, to int) (bytes int) {
	switch {
	case c.Type == parquet.ByteArray && len(v.IDs) > 0:
		return c.copyPlaces(v.IDs[from:to], dict, places)
	case c.Type == parquet.ByteArray:
		for i := from; i < to; i++ {
			c.text(v.Bytes.At(i))
		}
		return int(v.Bytes.Offsets[to]-v.Bytes.Offsets[from]) + 8*(to-from)
	case c.Type == parquet.Double:
		for _, d := range v.Doubles[from:to] {
			c.int(int64(math.Float64bits(d)))
		}
	case c.Type == parquet.Boolean:
		c.bools = pushAll(c.mem, c.bools, v.Bools[from:to])
	default:
		c.ints = pushAll(c.mem, c.ints, v.Ints[from:to])
	}
	return 8 * (to - from)
}

// copyPlaces adds values by their places in another dictionary.
func (c *columnBuffer) copyPlaces(ids []uint32, dict *parquet.Dictionary, places *[]uint32) (bytes int) {
	if c.dict == nil {
		for _, id := range ids {
			c.text(dict.At(id))
			bytes += len(dict.At(id)) + 8
		}
		return bytes
	}
	if len(*places) == 0 {
		*places = zeroed(*places, dict.Len())
	}
	known := *places
	for _, id := range ids {
		place := known[id]
		if place == 0 {
			value := dict.At(id)
			place = c.dict.id(value) + 1
			known[id] = place
			bytes += len(value)
		}
		c.ids = push(c.mem, c.ids, place-1)
	}
	return bytes + 4*len(ids)
}
