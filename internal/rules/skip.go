package rules

import "appliance/internal/otlpwire"

// passing is how a field of a span is passed over, by its first byte.
type passing uint8

const (
	stops      passing = iota // it is looked at
	passKey                   // an attribute
	passText                  // a text, which only secrets concern
	passStatus                // has a text
	passBytes                 // and no rule is about it
	passVarint
	passFixed64
	passFlags // of a tag of two bytes
)

var passings = [256]passing{
	1<<3 | otlpwire.TagBytes:   passBytes, // trace id
	2<<3 | otlpwire.TagBytes:   passBytes, // span id
	3<<3 | otlpwire.TagBytes:   passText,  // tracestate
	4<<3 | otlpwire.TagBytes:   passBytes, // parent
	5<<3 | otlpwire.TagBytes:   passText,  // name
	6<<3 | otlpwire.TagVarint:  passVarint,
	7<<3 | otlpwire.TagFixed64: passFixed64,
	8<<3 | otlpwire.TagFixed64: passFixed64,
	9<<3 | otlpwire.TagBytes:   passKey,
	10<<3 | otlpwire.TagVarint: passVarint,
	12<<3 | otlpwire.TagVarint: passVarint,
	14<<3 | otlpwire.TagVarint: passVarint,
	15<<3 | otlpwire.TagBytes:  passStatus,
	0x85:                       passFlags,
}

// skip goes over the fields of a span from a place on, as long as it sees at a
// glance that they concern no rule: what is neither text nor an attribute nor an
// event nor a link, and attributes of less than 128 bytes, with one key and one
// scalar value, that no rule is about. It returns where the first other field
// begins, and if that is such an attribute the active rules for its key. It is
// message, and ignores, in one loop, since nothing costs more than this.
func (s *Set) skip(m []byte, pos int, active uint64) (at int, found uint64) {
	secrets, wild := s.secrets >= 0, s.keys.patterns != nil
	for {
		rest := m[pos:]
		if len(rest) < 2 {
			return pos, 0
		}
		n := int(rest[1])
		switch kind := passings[rest[0]]; kind {
		case passKey:
			if n < 6 || n >= 0x80 || n > len(rest)-2 {
				return pos, 0
			}
			kv := rest[2 : 2+n]
			second := 2 + int(kv[1]) // where what does not stand first begins
			if second+2 > n || int(kv[second+1]) != n-second-2 {
				return pos, 0
			}
			key, value := kv[2:second], kv[second+2:]
			if kv[0] == valueTag && kv[second] == keyTag {
				key, value = value, key
			} else if kv[0] != keyTag || kv[second] != valueTag {
				return pos, 0
			}
			if (len(value) < 2 || value[0] != stringTag || int(value[1]) != len(value)-2) && !isScalar(value) {
				return pos, 0
			}
			if wild || s.keys.exact[shape(key)] != 0 {
				if found = s.keys.find(key) & active; found != 0 {
					return pos, found
				}
			}
			if secrets && s.mayBeSecret(key, value) {
				return pos, 0
			}
		case passBytes, passText, passStatus:
			if n >= 0x80 || n > len(rest)-2 || secrets && kind.mayHide(rest[2:2+n]) {
				return pos, 0
			}
		case passVarint:
			if n >= 0x80 {
				return pos, 0
			}
			n = 0
		case passFixed64:
			if n = 7; len(rest) < 2+n {
				return pos, 0
			}
		case passFlags:
			if n != 1 || len(rest) < 6 {
				return pos, 0
			}
			n = 4
		default:
			return pos, 0
		}
		pos += 2 + n
	}
}

// mayHide says whether such a field may have a secret.
func (p passing) mayHide(value []byte) bool {
	switch p {
	case passText:
		return suspect(value, 0) >= 0
	case passStatus:
		return len(value) > 2 // there is room for a text
	}
	return false
}
