package block

// valueHashKind is the kind of a value in a digest, by its kind on the wire.
var valueHashKind = [...]byte{anyText: valueText, anyBool: valueBool, anyInt: valueInt, anyDouble: valueDouble}

// attribute writes a KeyValue as an attribute of an owner, whose begin was
// called.
func (s *shredder) attribute(o Owner, key []byte, v *anyValue) error {
	a := &s.columns.attrs[o]
	switch v.kind {
	case anyText, anyBool, anyInt, anyDouble:
		a.add(key, false)
		s.scalar(a, v)
		if !s.hashed {
			a.sum += s.hashScalar(key, v)
		}
		return nil
	case anyArray:
		kind, n, ok, err := v.elementKind()
		if err != nil {
			return err
		}
		if ok {
			return s.array(a, key, v, kind, n)
		}
	}
	return s.unsupported(a, key, v)
}

// scalar writes a value of the current attribute, or an element of its array.
func (s *shredder) scalar(a *attrColumns, v *anyValue) {
	switch v.kind {
	case anyText:
		a.text.present()
		a.text.text(v.bytes)
	case anyBool:
		a.bools.present()
		a.bools.int(v.number)
	case anyInt:
		a.ints.present()
		a.ints.int(v.number)
	case anyDouble:
		a.doubles.present()
		a.doubles.int(v.number)
	}
}

func (s *shredder) array(a *attrColumns, key []byte, v *anyValue, kind uint8, n int) error {
	a.add(key, true)
	h := &s.hasher
	h.begin(hashAttribute)
	h.text(key)
	h.byte(valueArray)
	h.byte(valueHashKind[kind])
	h.number(uint64(n))
	err := v.elements(func(e anyValue) {
		s.scalar(a, &e)
		h.scalar(&e)
	})
	a.sum += h.sum()
	return err
}

func (s *shredder) unsupported(a *attrColumns, key []byte, v *anyValue) error {
	var err error
	if s.json, err = v.appendJSON(s.json[:0], 0); err != nil {
		return err
	}
	a.add(key, false)
	a.unsupported.present()
	a.unsupported.text(s.json)
	h := &s.hasher
	h.begin(hashAttribute)
	h.text(key)
	h.byte(valueUnsupported)
	h.text(s.json)
	a.sum += h.sum()
	return nil
}

func (s *shredder) hashScalar(key []byte, v *anyValue) uint64 {
	h := &s.hasher
	h.begin(hashAttribute)
	h.text(key)
	h.byte(valueHashKind[v.kind])
	h.scalar(v)
	return h.sum()
}

// scalar adds a value that is not an array.
func (h *hasher) scalar(v *anyValue) {
	if v.kind == anyText {
		h.text(v.bytes)
	} else {
		h.number(uint64(v.number))
	}
}
