package block

import (
	"encoding/binary"
	"fmt"
	"math"

	"appliance/internal/otlpwire"
)

// Kinds of an AnyValue, by the number of the field that is set.
const (
	anyNone   = 0
	anyText   = 1
	anyBool   = 2
	anyInt    = 3
	anyDouble = 4
	anyArray  = 5
	anyList   = 6 // of keys and values
	anyBytes  = 7
)

// maxValueDepth bounds how deep arrays and lists may nest. It is what the
// receiver accepts.
const maxValueDepth = 100

// anyValue is a view of an AnyValue.
type anyValue struct {
	kind   uint8
	number int64  // an integer, a bool, or the bits of a double
	bytes  []byte // a text, bytes, or the message of an array or list
}

// read reads an AnyValue. Of several fields the last one counts, and an empty
// message leaves v as it is.
func (v *anyValue) read(message []byte) error {
	f := otlpwire.NewFields(message)
	for f.Next() {
		switch f.Tag {
		case anyText<<3 | otlpwire.TagBytes, anyArray<<3 | otlpwire.TagBytes,
			anyList<<3 | otlpwire.TagBytes, anyBytes<<3 | otlpwire.TagBytes:
			*v = anyValue{kind: uint8(f.Tag >> 3), bytes: f.Bytes}
		case anyBool<<3 | otlpwire.TagVarint:
			*v = anyValue{kind: anyBool}
			if f.Number != 0 {
				v.number = 1
			}
		case anyInt<<3 | otlpwire.TagVarint, anyDouble<<3 | otlpwire.TagFixed64:
			*v = anyValue{kind: uint8(f.Tag >> 3), number: int64(f.Number)}
		}
	}
	return f.Err()
}

// plainKeyValue reads what nearly all KeyValues are: a key and then a text or an
// integer, with lengths of one byte. ok is false for any other.
func plainKeyValue(m []byte) (key []byte, v anyValue, ok bool) {
	if len(m) < 4 || m[0] != 1<<3|otlpwire.TagBytes || m[1] >= 0x80 || int(m[1]) > len(m)-4 {
		return nil, v, false
	}
	end := 2 + int(m[1])
	key, m = m[2:end:end], m[end:]
	if m[0] != 2<<3|otlpwire.TagBytes || m[1] >= 0x80 || int(m[1]) != len(m)-2 || len(m) < 4 {
		return nil, v, false
	}
	switch m[2] {
	case anyText<<3 | otlpwire.TagBytes:
		if int(m[3]) != len(m)-4 {
			return nil, v, false
		}
		return key, anyValue{kind: anyText, bytes: m[4:]}, true
	case anyInt<<3 | otlpwire.TagVarint:
		number, n := binary.Uvarint(m[3:])
		return key, anyValue{kind: anyInt, number: int64(number)}, n == len(m)-3
	}
	return nil, v, false
}

// readKeyValue reads a KeyValue. One without a value has one that is empty.
func readKeyValue(message []byte) (key []byte, v anyValue, err error) {
	if key, v, ok := plainKeyValue(message); ok {
		return key, v, nil
	}
	f := otlpwire.NewFields(message)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			key = f.Bytes
		case 2<<3 | otlpwire.TagBytes:
			if err := v.read(f.Bytes); err != nil {
				return nil, v, err
			}
		}
	}
	return key, v, f.Err()
}

// elements calls visit for each element of an array.
func (v *anyValue) elements(visit func(e anyValue)) error {
	f := otlpwire.NewFields(v.bytes)
	for f.Next() {
		if f.Tag != 1<<3|otlpwire.TagBytes {
			continue
		}
		var e anyValue
		if err := e.read(f.Bytes); err != nil {
			return err
		}
		visit(e)
	}
	return f.Err()
}

// hasColumn says that all elements of an array are of one kind which has a
// column: text, bool, integer or double. An empty array has one.
func (v *anyValue) hasColumn() (ok bool, err error) {
	var kind uint8 = anyNone
	ok = true
	err = v.elements(func(e anyValue) {
		if kind == anyNone {
			kind = e.kind
		}
		if e.kind != kind || kind < anyText || kind > anyDouble {
			ok = false
		}
	})
	return ok, err
}

// appendJSON appends an AnyValue as protobuf's JSON has it.
func (v *anyValue) appendJSON(dst []byte, depth int) ([]byte, error) {
	if depth > maxValueDepth {
		return dst, fmt.Errorf("%w: more than %d nested arrays and lists", otlpwire.ErrTooDeep, maxValueDepth)
	}
	switch v.kind {
	case anyText:
		dst = appendJSONString(append(dst, `{"stringValue":`...), v.bytes)
	case anyBool:
		dst = append(dst, `{"boolValue":`...)
		if v.number != 0 {
			dst = append(dst, "true"...)
		} else {
			dst = append(dst, "false"...)
		}
	case anyInt:
		dst = append(appendInt(append(dst, `{"intValue":"`...), v.number), '"')
	case anyDouble:
		dst = appendJSONDouble(append(dst, `{"doubleValue":`...), math.Float64frombits(uint64(v.number)))
	case anyBytes:
		dst = append(appendBase64(append(dst, `{"bytesValue":"`...), v.bytes), '"')
	case anyArray:
		return v.appendJSONArray(dst, depth)
	case anyList:
		return v.appendJSONList(dst, depth)
	default:
		dst = append(dst, '{')
	}
	return append(dst, '}'), nil
}

func (v *anyValue) appendJSONArray(dst []byte, depth int) ([]byte, error) {
	dst = append(dst, `{"arrayValue":{`...)
	n := 0
	var failed error
	err := v.elements(func(e anyValue) {
		dst = appendSeparator(dst, n)
		n++
		if failed == nil {
			dst, failed = e.appendJSON(dst, depth+1)
		}
	})
	if failed != nil {
		err = failed
	}
	return closeValues(dst, n), err
}

func (v *anyValue) appendJSONList(dst []byte, depth int) ([]byte, error) {
	dst = append(dst, `{"kvlistValue":{`...)
	n := 0
	f := otlpwire.NewFields(v.bytes)
	for f.Next() {
		if f.Tag != 1<<3|otlpwire.TagBytes {
			continue
		}
		key, e, err := readKeyValue(f.Bytes)
		if err != nil {
			return dst, err
		}
		dst = appendSeparator(dst, n)
		n++
		dst = append(dst, '{')
		if len(key) > 0 {
			dst = append(appendJSONString(append(dst, `"key":`...), key), ',')
		}
		if dst, err = e.appendJSON(append(dst, `"value":`...), depth+1); err != nil {
			return dst, err
		}
		dst = append(dst, '}')
	}
	return closeValues(dst, n), f.Err()
}

func appendSeparator(dst []byte, n int) []byte {
	if n == 0 {
		return append(dst, `"values":[`...)
	}
	return append(dst, ',')
}

func closeValues(dst []byte, n int) []byte {
	if n > 0 {
		dst = append(dst, ']')
	}
	return append(dst, "}}"...)
}
