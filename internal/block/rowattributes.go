package block

import (
	"encoding/binary"
	"fmt"
	"math"
)

// attributes writes the attributes of one element of an owner as field, whose
// entries begin with the level rep. Level is that of the owner's list: those of
// the attributes are one higher.
func (r *rowReader) attributes(o Owner, field int, rep, level uint8) {
	owner := &r.owner[o]
	key := owner.attrs[AttrKey]
	if r.empty(key) {
		r.skip(owner.attrs[:], rep, level)
		if o == OfEvent {
			r.skip([]int{r.role(EventValue)}, rep, level)
		}
		return
	}
	for more := true; more; more = r.more(key, level+1) {
		before := len(r.w.b)
		m := r.w.open(field, 1)
		name := r.text(key, rep)
		asked := r.fields.has(o, name)
		r.w.bytes(1, name)
		if value := r.role(EventValue); o == OfEvent && value >= 0 {
			r.w.bytes(2, r.message(eventValue, value, rep))
		} else {
			r.value(owner, rep)
		}
		if r.w.close(m); !asked {
			r.w.b = r.w.b[:before]
		}
		rep = level + 1
	}
}

// value writes the value of an attribute, which is in one of the columns. That
// of an array is a list in one of them.
func (r *rowReader) value(owner *ownerColumns, rep uint8) {
	m := r.w.open(2, 1)
	array := false
	if c := r.must(owner.attrs[AttrIsArray], rep); c != nil {
		array = c.v.Bools[c.value-1]
	}
	if array {
		list := r.w.open(5, 1)
		r.elements(owner, rep, true)
		r.w.close(list)
	} else {
		r.elements(owner, rep, false)
	}
	for _, p := range []Part{AttrUnsupported, AttrArray} {
		if c, _ := r.take(owner.attrs[p], rep); c != nil && r.err == nil {
			var err error
			if r.w.b, err = r.limits.ValueFromJSON(r.w.b, c.bytes()); err != nil {
				r.fail(owner.attrs[p], fmt.Errorf("%w: a value of %d bytes: %w", ErrDamaged, len(c.bytes()), err))
			}
		}
	}
	r.w.close(m)
}

// message is the current value of a column of protobuf messages.
func (r *rowReader) message(kind message, column int, rep uint8) []byte {
	b := r.text(column, rep)
	if err := kind.check(b, 1); err != nil {
		r.fail(column, fmt.Errorf("%w: %w", ErrDamaged, err))
		return nil
	}
	return b
}

// elements writes the values of an attribute: each as an element of an array,
// or the only one.
func (r *rowReader) elements(owner *ownerColumns, rep uint8, array bool) {
	for p := AttrText; p <= AttrBool; p++ {
		column := owner.attrs[p]
		c, _ := r.take(column, rep)
		for n := 1; c != nil; n++ {
			if n > 1 && !array {
				r.fail(column, fmt.Errorf("%w: several values of one attribute", ErrDamaged))
				break
			}
			if array {
				element := r.w.open(1, 1)
				r.scalar(p, c)
				r.w.close(element)
			} else {
				r.scalar(p, c)
			}
			level := c.maxRep
			if c = nil; owner.arrays && r.more(column, level) {
				c = r.must(column, level)
			}
		}
	}
}

// scalar writes the current value of a cursor as a field of AnyValue.
func (r *rowReader) scalar(p Part, c *cursor) {
	w, i := &r.w, c.value-1
	switch p {
	case AttrText:
		w.bytes(1, c.bytes())
	case AttrInt:
		w.tag(3, varintType)
		w.b = binary.AppendUvarint(w.b, uint64(c.v.Ints[i]))
	case AttrDouble:
		w.tag(4, fixed64Type)
		w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(c.v.Doubles[i]))
	case AttrBool:
		w.tag(2, varintType)
		w.b = append(w.b, 0)
		if c.v.Bools[i] {
			w.b[len(w.b)-1] = 1
		}
	}
}

// specials writes the attributes that have columns of their own.
func (r *rowReader) specials(o Owner, field int, rep uint8) {
	list := r.owner[o].specials
	for i := range list {
		s := &list[i]
		c, _ := r.take(s.column, rep)
		if c == nil {
			continue
		}
		if s.number {
			m := r.keyValue(field, s.key)
			r.scalar(AttrInt, c)
			r.closeKeyValue(m)
		} else if text := c.bytes(); len(text) > 0 || !s.empty {
			m := r.keyValue(field, s.key)
			r.w.bytes(1, text)
			r.closeKeyValue(m)
		}
	}
}

func (r *rowReader) keyValue(field int, key []byte) (m [2]mark) {
	m[0] = r.w.open(field, 1)
	r.w.bytes(1, key)
	m[1] = r.w.open(2, 1)
	return m
}

func (r *rowReader) closeKeyValue(m [2]mark) {
	r.w.close(m[1])
	r.w.close(m[0])
}
