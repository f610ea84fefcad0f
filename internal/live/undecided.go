package live

import (
	"encoding/binary"

	"appliance/internal/otlpwire"
)

// UndecidedKey is an attribute of the resources of spans on which tail sampling
// has not decided yet: it may still leave them out.
const UndecidedKey = "appliance.undecided"

const (
	resourceSpansTag = 1<<3 | otlpwire.TagBytes
	resourceTag      = 1<<3 | otlpwire.TagBytes
)

// undecided is a field of a Resource: the attribute that is true.
func undecidedField() []byte {
	value := []byte{2 << 3, 1} // AnyValue.bool_value
	pair := appendField(nil, 1, []byte(UndecidedKey))
	return appendField(nil, 1, appendField(pair, 2, value))
}

func appendField(dst []byte, number byte, value []byte) []byte {
	dst = append(dst, number<<3|otlpwire.TagBytes)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// marked is an encoded request whose resources say that their spans are
// undecided. One that cannot be read is as it was.
func marked(request []byte) []byte {
	attribute := undecidedField()
	out := make([]byte, 0, len(request)+2*len(attribute))
	all := otlpwire.NewFields(request)
	for all.Next() {
		if all.Tag != resourceSpansTag {
			out = append(out, request[all.Start:all.End]...)
			continue
		}
		one, ok := markedResource(all.Bytes, attribute)
		if !ok {
			return request
		}
		out = appendField(out, 1, one)
	}
	if all.Err() != nil {
		return request
	}
	return out
}

// markedResource is a ResourceSpans whose last resource has one attribute more.
func markedResource(message, attribute []byte) (out []byte, ok bool) {
	start, end := 0, 0
	var resource []byte
	f := otlpwire.NewFields(message)
	for f.Next() {
		if f.Tag == resourceTag {
			start, end, resource = f.Start, f.End, f.Bytes
		}
	}
	out = append(out, message[:start]...)
	out = appendField(out, 1, append(append([]byte{}, resource...), attribute...))
	return append(out, message[end:]...), f.Err() == nil
}
