// Package spancopy tells whether two spans are the same span, sent or stored
// twice: whether they say the same with their resource and scope, in all that a
// block can hold of them, whatever their encodings are.
package spancopy

import (
	"bytes"
	"encoding/binary"
	"slices"

	"appliance/internal/otlpwire"
)

// AppendKey appends a key of an encoded Span with its encoded Resource and
// InstrumentationScope. Two spans are copies if their keys are equal. Flags,
// schema URLs and fields that the protocol does not have do not count, since a
// block does not hold them; nor does the order of attributes. What is not
// protobuf counts as the bytes that it is.
func AppendKey(dst, span, scope, resource []byte) []byte {
	dst = appendPart(dst, spanShape.canonical(span))
	dst = appendPart(dst, scopeShape.canonical(scope))
	return appendPart(dst, resourceShape.canonical(resource))
}

func appendPart(dst, part []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(part))), part...)
}

// shape is what counts of a message: a rule for each field by its number.
type shape []rule

type rule struct {
	kind    kind
	message shape // of kinds list and set, and of one where it is a message
}

type kind uint8

const (
	ignored kind = iota
	one          // the last one counts; an empty one or 0 is as none
	list         // in its order
	set          // attributes, in any order
)

var (
	statusShape   = shape{2: {kind: one}, 3: {kind: one}}
	scopeShape    = shape{1: {kind: one}, 2: {kind: one}, 3: {kind: set}, 4: {kind: one}}
	resourceShape = shape{1: {kind: set}, 2: {kind: one}}
	eventShape    = shape{1: {kind: one}, 2: {kind: one}, 3: {kind: set}, 4: {kind: one}}
	linkShape     = shape{1: {kind: one}, 2: {kind: one}, 3: {kind: one}, 4: {kind: set}, 5: {kind: one}}
	spanShape     = shape{
		1: {kind: one}, 2: {kind: one}, 3: {kind: one}, 4: {kind: one}, 5: {kind: one},
		6: {kind: one}, 7: {kind: one}, 8: {kind: one}, 9: {kind: set}, 10: {kind: one},
		11: {kind: list, message: eventShape}, 12: {kind: one},
		13: {kind: list, message: linkShape}, 14: {kind: one},
		15: {kind: one, message: statusShape}, 16: {},
	}
)

// canonical is the canonical form of a message; it may be message itself.
func (s shape) canonical(message []byte) []byte {
	parts := make([][][]byte, len(s))
	f := otlpwire.NewFields(message)
	for f.Next() {
		n := int(f.Tag >> 3)
		if n >= len(s) || s[n].kind == ignored {
			continue
		}
		part := leaf(&f)
		switch r := s[n]; {
		case r.kind == set:
			if part = attribute(f.Bytes); part == nil {
				continue
			}
		case r.message != nil:
			part = r.message.canonical(f.Bytes)
		}
		if s[n].kind == one {
			parts[n] = parts[n][:0]
			if len(part) == 0 {
				continue
			}
		}
		parts[n] = append(parts[n], part)
	}
	if f.Err() != nil {
		return message
	}
	var dst []byte
	for n, list := range parts {
		if len(list) == 0 {
			continue
		}
		if s[n].kind == set {
			slices.SortFunc(list, bytes.Compare)
		}
		dst = append(binary.AppendUvarint(dst, uint64(n)), byte(min(len(list), 255)))
		for _, part := range list {
			dst = appendPart(dst, part)
		}
	}
	return dst
}

// leaf is the value of a field; that of a number is empty where it is 0.
func leaf(f *otlpwire.Fields) []byte {
	if f.Tag&7 == otlpwire.TagBytes {
		return f.Bytes
	}
	if f.Number == 0 {
		return nil
	}
	return binary.LittleEndian.AppendUint64(nil, f.Number)
}

// attribute is a KeyValue. That of a service without a name is nil: a block does
// not tell it from none.
func attribute(message []byte) []byte {
	var key, value []byte
	f := otlpwire.NewFields(message)
	for f.Next() {
		switch f.Tag >> 3 {
		case 1:
			key = f.Bytes
		case 2:
			value = f.Bytes
		}
	}
	if f.Err() != nil {
		return message
	}
	v := anyValue(nil, value, 0)
	if string(key) == "service.name" && len(v) == 1 && v[0] == 1 {
		return nil
	}
	return append(appendPart(nil, key), v...)
}

// maxDepth is how deep values may nest in what the receiver accepts.
const maxDepth = 100

// anyValue appends the number of the field that is set and its value.
func anyValue(dst, message []byte, depth int) []byte {
	var kind uint32
	var value []byte
	f := otlpwire.NewFields(message)
	for f.Next() {
		kind, value = f.Tag>>3, leaf(&f)
	}
	if f.Err() != nil || depth > maxDepth {
		return append(dst, message...)
	}
	dst = append(dst, byte(kind))
	switch kind {
	case 5, 6: // a list of values, of keys and values
	default:
		return append(dst, value...)
	}
	f = otlpwire.NewFields(value)
	for f.Next() {
		if kind == 5 {
			dst = appendPart(dst, anyValue(nil, f.Bytes, depth+1))
			continue
		}
		inner := otlpwire.NewFields(f.Bytes)
		for inner.Next() {
			if inner.Tag>>3 == 1 {
				dst = appendPart(dst, inner.Bytes)
			} else {
				dst = appendPart(dst, anyValue(nil, inner.Bytes, depth+1))
			}
		}
	}
	return dst
}
