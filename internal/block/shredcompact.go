package block

import "encoding/binary"

// attributes writes the attributes of a compact span. What its pattern says of
// levels and keys is copied, and no text that has a number is looked up.
func (s *shredder) attributes(head *spanHead, rep uint8, words *vocabulary) error {
	a := &s.columns.attrs[OfSpan]
	a.begin(rep)
	l := head.pattern.laidOut(a.def)
	if len(l.keys) == 0 {
		a.end(defSpan)
	} else {
		s.levels(a, l, rep)
		s.keys(a, l, words)
	}
	s.lost.Attributes += l.lost
	r := compactReader{rest: head.attrs, words: words}
	for i := range l.steps {
		step := &l.steps[i]
		if step.special >= 0 {
			s.compactSpecial(step.special, l.last[step.special] == int8(i), &r)
			continue
		}
		switch step.kind {
		case anyText:
			a.text.ref(&r)
		case anyInt:
			a.ints.int(int64(r.varint()))
		case anyBool:
			a.bools.bools = push(a.bools.mem, a.bools.bools, r.varint() != 0)
		default:
			a.doubles.int(int64(binary.LittleEndian.Uint64(r.take(8))))
		}
	}
	return r.err
}

// levels writes the levels of a span's attributes.
func (s *shredder) levels(a *attrColumns, l *patternLayout, rep uint8) {
	n, from := len(l.keys), len(a.list.def)
	a.list.rep = pushN(a.list.mem, a.list.rep, a.rep, n)
	a.list.rep[from] = rep
	a.list.def = pushN(a.list.mem, a.list.def, a.def, n)
	a.isArray.bools = pushN(a.isArray.mem, a.isArray.bools, false, n)
	for kind, column := range [...]*columnBuffer{anyText: a.text, anyBool: a.bools, anyInt: a.ints, anyDouble: a.doubles} {
		if column != nil && l.defs[kind] != nil {
			column.row(from, l.defs[kind])
		}
	}
}

// keys writes the keys of a span's attributes.
func (s *shredder) keys(a *attrColumns, l *patternLayout, words *vocabulary) {
	if l.group != s.columns.group {
		l.group, l.places = s.columns.group, l.places[:0]
		for _, word := range l.keys {
			l.places = append(l.places, a.key.place(word, words))
		}
	}
	a.key.ids = pushAll(a.key.mem, a.key.ids, l.places)
}

// compactSpecial writes the value of an attribute with a column of its own, if it
// is the one that counts.
func (s *shredder) compactSpecial(special int8, counts bool, r *compactReader) {
	column := s.columns.by[spanSpecials[special].role]
	if spanSpecialKinds[special] == anyInt {
		if number := r.varint(); counts {
			column.present()
			column.int(int64(number))
		}
		return
	}
	if !counts {
		r.text()
		return
	}
	column.present()
	column.ref(r)
}

// row adds the levels of definition of elements of the list from a place on, which
// is where the list ends without them. No element has more than one value.
func (c *columnBuffer) row(from int, def []uint8) {
	if c.seen < from {
		c.catchUp(from)
	}
	c.def = pushAll(c.mem, c.def, def)
	if c.diverged {
		c.rep = pushAll(c.mem, c.rep, c.list.rep[from:])
	}
	c.seen = from + len(def)
}

// ref adds the next text of a compact span.
func (c *columnBuffer) ref(r *compactReader) {
	word, own := r.ref()
	if word == 0 {
		c.ids = push(c.mem, c.ids, c.dict.lookup(own))
		return
	}
	c.ids = push(c.mem, c.ids, c.place(word-1, r.words))
}

// place is where in the column's dictionary a text of the vocabulary is.
func (c *columnBuffer) place(word uint32, words *vocabulary) uint32 {
	if word >= uint32(len(c.places)) {
		c.places = append(c.places, make([]uint32, len(words.words)-len(c.places))...)
	}
	place := c.places[word]
	if place == 0 {
		place = c.dict.lookup(words.text(word)) + 1
		c.places[word] = place
	}
	return place - 1
}
