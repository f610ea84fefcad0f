package block

// written is what a resource or a scope is in the columns, so that it need not be
// parsed and looked up again for each trace of a row group. Those with arrays, or
// with values that no column of values can have, are parsed each time.
type written struct {
	group   int // the row group whose dictionaries the places are of; 0 for none
	attrs   []writtenAttr
	columns []writtenText // that have one text for it
	dropped int64
	hash    uint64
	lost    int64 // attributes, each time
}

// writtenAttr is an attribute with one value.
type writtenAttr struct {
	key   uint32 // place in the dictionary
	kind  uint8
	text  uint32 // likewise
	value int64  // of other kinds
}

// writtenText is a text in a column of its own.
type writtenText struct {
	column *columnBuffer
	place  uint32
}

// origin writes a resource or a scope, and returns its hash.
func (s *shredder) origin(of Owner, o *origin, rep uint8) (uint64, error) {
	w := &o.written
	if w.group == s.columns.group {
		s.again(of, w, rep)
		return w.hash, nil
	}
	w.attrs, w.columns = w.attrs[:0], w.columns[:0]
	s.recording, s.plain = w, true
	lost := s.lost.Attributes
	var err error
	if of == OfResource {
		w.hash, err = s.writeResource(o.raw, rep)
	} else {
		w.hash, err = s.writeScope(o.raw, rep)
	}
	s.recording = nil
	if err == nil && s.plain {
		w.group, w.lost = s.columns.group, s.lost.Attributes-lost
	}
	return w.hash, err
}

// again writes what was written before.
func (s *shredder) again(of Owner, w *written, rep uint8) {
	c := s.columns
	a, dropped, def := &c.attrs[of], c.by[ResourceDropped], uint8(defResource)
	if of == OfResource {
		c.resources.add(rep, defResource)
	} else {
		c.scopes.add(rep, defScope)
		dropped, def = c.by[ScopeDropped], defScope
	}
	a.begin(rep)
	for i := range w.attrs {
		v := &w.attrs[i]
		a.entry(false)
		a.key.ids = push(a.key.mem, a.key.ids, v.key)
		if v.kind == anyText {
			a.text.present()
			a.text.ids = push(a.text.mem, a.text.ids, v.text)
		} else {
			a.scalar(0, &anyValue{kind: v.kind, number: v.value})
		}
	}
	a.end(def)
	dropped.int(w.dropped)
	for i := range w.columns {
		t := &w.columns[i]
		if t.column.Optional {
			t.column.present()
		}
		t.column.ids = push(t.column.mem, t.column.ids, t.place)
	}
	s.lost.Attributes += w.lost
}

// recordAttr notes an attribute that was written just now.
func (s *shredder) recordAttr(a *attrColumns, v *anyValue) {
	w := writtenAttr{key: a.key.ids[len(a.key.ids)-1], kind: v.kind, value: v.number}
	if v.kind == anyText {
		w.text = a.text.ids[len(a.text.ids)-1]
	}
	s.recording.attrs = append(s.recording.attrs, w)
}

// column writes a text of a resource or scope that has a column of its own, and
// returns its hash.
func (s *shredder) column(r Role, v []byte) uint64 {
	c := s.columns.by[r]
	if c.Optional {
		c.present()
	}
	hash := c.word(v)
	s.recording.columns = append(s.recording.columns, writtenText{c, c.ids[len(c.ids)-1]})
	return hash
}
