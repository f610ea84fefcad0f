package otlpwire

// values scans what resources, scopes, spans, events and links share:
// KeyValue and AnyValue. It remembers whether it met text that is not UTF-8.
type values struct {
	wire
	badText       bool
	attributes    int // so far in the request, with all that MaxAttributes counts
	maxAttributes int
}

// scalar is what an AnyValue holds in the end. Its zero value is an empty one, or
// an array, list or bytes.
type scalar struct {
	kind     valueKind
	bits     uint64 // integer or double
	from, to int    // text
}

type valueKind uint8

const (
	otherValue valueKind = iota
	textValue
	integerValue
	doubleValue
)

const (
	keyValueFields     fields = 1<<1 | 1<<2 | 1<<3
	anyValueFields     fields = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8
	arrayAndListFields fields = 1 << 1
)

// Messages of which an attribute consists, as MaxDepth counts them.
const (
	attributeDepth = 2 // KeyValue, AnyValue
	arrayDepth     = 2 // ArrayValue, AnyValue
	listDepth      = 3 // KeyValueList, KeyValue, AnyValue
)

// count takes one more of what MaxAttributes bounds.
func (s *values) count(at int) bool {
	s.attributes++
	if s.attributes > s.maxAttributes {
		s.err = &scanError{kind: ErrTooMany, what: manyAttributes, offset: at, limit: s.maxAttributes}
		return false
	}
	return true
}

func (s *values) text(from, to int) {
	if !validText(s.b[from:to]) {
		s.badText = true
	}
}

// keyValue scans a KeyValue and says where its key is, and what its value. depth
// counts the messages down to this value.
func (s *values) keyValue(pos, end, depth int) (keyFrom, keyTo int, value scalar, ok bool) {
	if !s.count(pos) {
		return 0, 0, value, false
	}
	if keyFrom, keyTo, value, ok = s.plainKeyValue(pos, end); ok {
		return keyFrom, keyTo, value, true
	}
	keyFrom, keyTo, value = 0, 0, scalar{}
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return 0, 0, value, false
		}
		switch tag {
		case 1<<3 | wireBytes:
			keyFrom, keyTo = from, to
			s.text(from, to)
		case 2<<3 | wireBytes:
			if !s.anyValue(from, to, depth, &value) {
				return 0, 0, value, false
			}
		case 3<<3 | wireVarint: // key_strindex, of profiles alone
		default:
			if !s.unknown(tag, keyValueFields, pos) {
				return 0, 0, value, false
			}
		}
		pos = to
	}
	return keyFrom, keyTo, value, true
}

// plainKeyValue recognises, without a loop over fields, the KeyValues that
// requests are full of: key and value once each, as the SDKs order them or as the
// Collector does (value first), lengths below 128, all text ASCII, the value a
// string, bool or integer. When not ok, the rest means nothing.
func (s *values) plainKeyValue(pos, end int) (keyFrom, keyTo int, value scalar, ok bool) {
	b := s.b[pos:end]
	if len(b) < 6 || b[1] >= 0x80 {
		return
	}
	second := int(b[1]) + 2 // where the second field begins
	if second+2 > len(b) || int(b[second+1]) != len(b)-second-2 {
		return
	}
	key, keyEnd, from, to := 0, second, second+2, len(b)
	if b[0] == 2<<3|wireBytes && b[second] == 1<<3|wireBytes {
		key, keyEnd, from, to = second, len(b), 2, second
	} else if b[0] != 1<<3|wireBytes || b[second] != 2<<3|wireBytes {
		return
	}
	if to-from < 2 {
		return
	}
	switch b[from] {
	case 1<<3 | wireBytes:
		value = scalar{kind: textValue, from: pos + from + 2, to: pos + to}
		ok = int(b[from+1]) == to-from-2 && ascii(b) // the lengths with the text
	case 2<<3 | wireVarint, 3<<3 | wireVarint:
		n, next := uint64(b[from+1]), pos+from+2
		if n >= 0x80 {
			n, next = s.varint(pos+from+1, pos+to)
		}
		if b[from] == 3<<3|wireVarint {
			value = scalar{kind: integerValue, bits: n}
		}
		ok = next == pos+to && ascii(b[key:keyEnd])
	}
	return pos + key + 2, pos + keyEnd, value, ok
}

// attribute scans a KeyValue of which nothing is wanted.
func (s *values) attribute(from, to int) bool {
	_, _, _, ok := s.keyValue(from, to, attributeDepth)
	return ok
}

// anyValue scans an AnyValue into v, whose earlier content it replaces or
// leaves, as protobuf merges a oneof.
func (s *values) anyValue(pos, end, depth int, v *scalar) bool {
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireBytes:
			s.text(from, to)
			*v = scalar{kind: textValue, from: from, to: to}
		case 3<<3 | wireVarint:
			*v = scalar{kind: integerValue, bits: s.number(from, to)}
		case 4<<3 | wireFixed64:
			*v = scalar{kind: doubleValue, bits: s.fixed64(from)}
		case 5<<3 | wireBytes:
			if !s.elements(from, to, depth+arrayDepth, false) {
				return false
			}
			*v = scalar{}
		case 6<<3 | wireBytes:
			if !s.elements(from, to, depth+listDepth, true) {
				return false
			}
			*v = scalar{}
		case 2<<3 | wireVarint, 7<<3 | wireBytes:
			*v = scalar{}
		case 8<<3 | wireVarint: // string_value_strindex, of profiles alone
			*v = scalar{}
		default:
			if !s.unknown(tag, anyValueFields, pos) {
				return false
			}
		}
		pos = to
	}
	return true
}

// elements scans an ArrayValue, or a KeyValueList when pairs is true. depth counts
// the messages down to the values of its elements.
func (s *values) elements(pos, end, depth int, pairs bool) bool {
	if depth > s.maxDepth {
		s.err = &scanError{kind: ErrTooDeep, what: nestedValues, offset: pos, limit: s.maxDepth}
		return false
	}
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		var ok bool
		switch {
		case tag != 1<<3|wireBytes:
			ok = s.unknown(tag, arrayAndListFields, pos)
		case pairs:
			_, _, _, ok = s.keyValue(from, to, depth)
		default:
			var v scalar
			ok = s.count(from) && s.anyValue(from, to, depth, &v)
		}
		if !ok {
			return false
		}
		pos = to
	}
	return true
}
