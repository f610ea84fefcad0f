package block

import (
	"bytes"
	"encoding/binary"
	"slices"

	"appliance/internal/otlpwire"
)

// origin is the resource or the scope of spans, parsed as far as it is needed
// to tell which ones are equal.
type origin struct {
	raw          []byte // the message
	class        int32  // equal ones have the same; valid in one epoch
	epoch        int32
	service      []byte // service.name of a resource: the last one that is a text
	firstService []byte // the text of the first service.name
	written      written
}

// classes numbers origins such that equal ones get equal numbers: their
// attributes may be in any order.
type classes struct {
	specials []special // attributes of which the last one counts
	numbers  map[string]int32
	bytes    int // of the canonical forms in numbers
	epoch    int32

	attrs [][]byte // canonical, of the current origin
	last  []int    // among attrs, the last of each special
	buf   []byte
}

// Bounds of the memory of classes.
const (
	maxClasses    = 1 << 14
	maxClassBytes = 8 << 20
)

func newClasses(specials []special) *classes {
	return &classes{specials: specials, numbers: make(map[string]int32), last: make([]int, len(specials)), epoch: 1}
}

// bound forgets all numbers when they are many. It is called between traces.
func (c *classes) bound() {
	if len(c.numbers) > maxClasses || c.bytes > maxClassBytes {
		clear(c.numbers)
		c.bytes = 0
		c.epoch++
	}
}

// number returns the number of a canonical form.
func (c *classes) number(form []byte) int32 {
	n, ok := c.numbers[string(form)]
	if !ok {
		n = int32(len(c.numbers))
		c.numbers[string(form)] = n
		c.bytes += len(form)
	}
	return n
}

// begin begins an origin.
func (c *classes) begin() {
	c.attrs, c.buf = c.attrs[:0], c.buf[:0]
	for i := range c.last {
		c.last[i] = -1
	}
}

// attribute adds a KeyValue in a canonical form.
func (c *classes) attribute(key []byte, v *anyValue) {
	at := len(c.attrs)
	if i := slices.IndexFunc(c.specials, func(s special) bool { return s.key == string(key) }); i >= 0 && v.kind == anyText {
		if c.last[i] >= 0 {
			at = c.last[i]
		} else {
			c.attrs = append(c.attrs, nil)
		}
		c.last[i] = at
	} else {
		c.attrs = append(c.attrs, nil)
	}
	start := len(c.buf)
	c.buf = binary.AppendUvarint(c.buf, uint64(len(key)))
	c.buf = append(append(c.buf, key...), v.kind)
	switch v.kind {
	case anyText, anyBytes, anyArray, anyList:
		c.buf = append(c.buf, v.bytes...)
	default:
		c.buf = binary.LittleEndian.AppendUint64(c.buf, uint64(v.number))
	}
	c.attrs[at] = c.buf[start:len(c.buf):len(c.buf)]
}

// end returns the number of the origin that begin began. head is what it has
// beside its attributes.
func (c *classes) end(head []byte) int32 {
	slices.SortFunc(c.attrs, bytes.Compare)
	form := binary.AppendUvarint(c.buf[len(c.buf):], uint64(len(head)))
	form = append(form, head...)
	for _, a := range c.attrs {
		form = binary.AppendUvarint(form, uint64(len(a)))
		form = append(form, a...)
	}
	return c.number(form)
}

// resource classifies a Resource message. Those that differ in their
// dropped attributes alone are not equal, so that no count is lost.
func (c *classes) resource(r *origin) error {
	c.begin()
	var dropped uint64
	r.service, r.firstService = nil, nil
	named := false
	f := otlpwire.NewFields(r.raw)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			key, v, err := readKeyValue(f.Bytes)
			if err != nil {
				return err
			}
			if string(key) == serviceName {
				if !named && v.kind == anyText {
					r.firstService = v.bytes
				}
				named = true
				if v.kind == anyText {
					r.service = v.bytes
					continue
				}
			}
			c.attribute(key, &v)
		case 2<<3 | otlpwire.TagVarint:
			dropped = f.Number
		}
	}
	head := binary.AppendUvarint(nil, uint64(uint32(dropped)))
	r.class, r.epoch = c.end(append(head, r.service...)), c.epoch
	return f.Err()
}

// scope classifies an InstrumentationScope message.
func (c *classes) scope(s *origin) error {
	c.begin()
	var name, version []byte
	var dropped uint64
	f := otlpwire.NewFields(s.raw)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			name = f.Bytes
		case 2<<3 | otlpwire.TagBytes:
			version = f.Bytes
		case 3<<3 | otlpwire.TagBytes:
			key, v, err := readKeyValue(f.Bytes)
			if err != nil {
				return err
			}
			c.attribute(key, &v)
		case 4<<3 | otlpwire.TagVarint:
			dropped = f.Number
		}
	}
	head := binary.AppendUvarint(nil, uint64(uint32(dropped)))
	head = append(binary.AppendUvarint(head, uint64(len(name))), name...)
	s.class, s.epoch = c.end(append(head, version...)), c.epoch
	return f.Err()
}
