package block

// valueHashKind is the kind of a value in a digest, by its kind on the wire.
var valueHashKind = [...]uint64{anyText: valueText, anyBool: valueBool, anyInt: valueInt, anyDouble: valueDouble}

// attribute writes a KeyValue as an attribute of an owner, whose begin was
// called.
func (s *shredder) attribute(o Owner, key []byte, v *anyValue) error {
	a := &s.columns.attrs[o]
	switch v.kind {
	case anyText, anyBool, anyInt, anyDouble:
		h := fold(hashAttribute, a.add(key, false))
		a.sum += a.scalar(h, v)
		if s.recording != nil {
			s.recordAttr(a, v)
		}
		return nil
	case anyArray:
		s.plain = false
		ok, err := v.hasColumn()
		if err != nil {
			return err
		}
		if ok {
			h := fold(hashArray, a.add(key, true))
			err := v.elements(func(e anyValue) { h = a.scalar(h, &e) })
			a.sum += h
			return err
		}
	}
	return s.unsupported(a, key, v)
}

// scalar writes a value of the current attribute, or an element of its array,
// and takes it into the attribute's hash.
func (a *attrColumns) scalar(h uint64, v *anyValue) uint64 {
	switch v.kind {
	case anyText:
		a.text.present()
		return foldValue(h, valueText, a.text.word(v.bytes))
	case anyBool:
		a.bools.present()
		a.bools.bools = push(a.bools.mem, a.bools.bools, v.number != 0)
		return foldValue(h, valueBool, uint64(v.number))
	case anyInt:
		a.ints.present()
		a.ints.int(v.number)
		return foldValue(h, valueInt, uint64(v.number))
	default:
		a.doubles.present()
		a.doubles.int(v.number)
		return foldValue(h, valueDouble, uint64(v.number))
	}
}

func (s *shredder) unsupported(a *attrColumns, key []byte, v *anyValue) error {
	s.plain = false
	var err error
	if s.json, err = v.appendJSON(s.json[:0], 0); err != nil {
		return err
	}
	h := fold(hashAttribute, a.add(key, false))
	a.unsupported.present()
	a.unsupported.text(s.json)
	a.sum += foldValue(h, valueUnsupported, textHash(s.json))
	return nil
}
