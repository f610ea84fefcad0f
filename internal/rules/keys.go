package rules

import (
	"strings"

	"appliance/internal/otlpwire"
)

// keyIndex finds the rules for the key of an attribute. Nearly all keys concern
// no rule, and are known by their length and two letters.
type keyIndex struct {
	exact    [256]uint64 // rules by shape
	keys     [maxRules]string
	patterns [][2]string // before and behind the *, by rule
	wild     []int       // the rules of patterns
}

func shape(key []byte) uint8 {
	n := len(key)
	if n == 0 {
		return 0
	}
	return key[n-1] ^ key[n/2]<<3 ^ uint8(n)<<1
}

func (x *keyIndex) add(key string, rule int) {
	if before, behind, wild := strings.Cut(key, "*"); wild {
		x.patterns = append(x.patterns, [2]string{before, behind})
		x.wild = append(x.wild, rule)
		return
	}
	x.keys[rule] = key
	x.exact[shape([]byte(key))] |= 1 << rule
}

// find returns the rules for a key, as bits.
func (x *keyIndex) find(key []byte) (found uint64) {
	for left := x.exact[shape(key)]; left != 0; left &= left - 1 {
		if i := trailingZeros(left); x.keys[i] == string(key) {
			found |= 1 << i
		}
	}
	for i, p := range x.patterns {
		if len(key) >= len(p[0])+len(p[1]) && string(key[:len(p[0])]) == p[0] && string(key[len(key)-len(p[1]):]) == p[1] {
			found |= 1 << x.wild[i]
		}
	}
	return found
}

// ignores says of nearly every attribute at a glance that no rule of the active
// ones concerns it: a key that none has, and one value that is neither a list nor a
// map. false is not an answer.
func (s *Set) ignores(kv []byte, active uint64) bool {
	at, plain := plainKeyValue(kv)
	if !plain {
		return false
	}
	key, value := kv[at.key:at.keyEnd], kv[at.value:at.valueEnd]
	return isScalar(value) && s.keys.find(key)&active == 0 && !s.mayBeSecret(key, value)
}

// mayBeSecret says whether the preset secrets may concern an attribute of one
// scalar value.
func (s *Set) mayBeSecret(key, value []byte) bool {
	return s.secrets >= 0 && (isSecret(key) || suspect(textIn(value), 0) >= 0)
}

// textIn is the string, or the bytes, of a scalar.
func textIn(value []byte) []byte {
	if len(value) < 2 || value[0] != stringTag && value[0] != bytesTag {
		return nil
	}
	from, _ := lengthOf(value, 1)
	return value[from:]
}

// isScalar says of an AnyValue that it is one string, number or truth.
func isScalar(v []byte) bool {
	if len(v) == 0 {
		return true
	}
	switch v[0] {
	case stringTag, bytesTag:
		return len(v) >= 2 && (int(v[1]) == len(v)-2 ||
			len(v) >= 3 && v[1] >= 0x80 && v[2] < 0x80 && int(v[1]&0x7f)|int(v[2])<<7 == len(v)-3)
	case 2<<3 | otlpwire.TagVarint, 3<<3 | otlpwire.TagVarint:
		for _, c := range v[1 : len(v)-1] {
			if c < 0x80 {
				return false // something follows
			}
		}
		return v[len(v)-1] < 0x80 && len(v) <= 11
	case 4<<3 | otlpwire.TagFixed64:
		return len(v) == 9
	}
	return false
}

// places are where the key and the value of a KeyValue begin and end.
type places struct{ key, keyEnd, value, valueEnd int }

// plainKeyValue finds what nearly all attributes are: one key and one value, in
// either order. The Collector's encoder writes the value first.
func plainKeyValue(kv []byte) (p places, ok bool) {
	if len(kv) < 4 {
		return p, false
	}
	first, end := lengthOf(kv, 1)
	if end+2 > len(kv) {
		return p, false
	}
	second, last := lengthOf(kv, end+1)
	if last != len(kv) {
		return p, false
	}
	switch {
	case kv[0] == keyTag && kv[end] == valueTag:
		return places{first, end, second, last}, true
	case kv[0] == valueTag && kv[end] == keyTag:
		return places{second, last, first, end}, true
	}
	return p, false
}

// lengthOf reads the length at a place of m, of one byte or two, and returns where
// what has it begins and ends. Others end behind m.
func lengthOf(m []byte, at int) (from, to int) {
	if n := int(m[at]); n < 0x80 {
		return at + 1, at + 1 + n
	}
	if at+1 < len(m) && m[at+1] < 0x80 {
		return at + 2, at + 2 + int(m[at]&0x7f) + int(m[at+1])<<7
	}
	return 0, len(m) + 1
}

// glance is ignores for an attribute of less than 128 bytes, as nearly all are. ok
// is false where it has to be looked at. Otherwise the value is one scalar, and
// these are the active rules for its key.
func (s *Set) glance(kv []byte, active uint64) (found uint64, ok bool) {
	if len(kv) < 6 {
		return 0, false
	}
	end := 2 + int(kv[1]) // of what stands first
	if end+2 > len(kv) || int(kv[end+1]) != len(kv)-end-2 || kv[0]^kv[end] != keyTag^valueTag || kv[0] != keyTag && kv[0] != valueTag {
		return 0, false
	}
	key, value := kv[2:end], kv[end+2:]
	if kv[0] == valueTag {
		key, value = value, key
	}
	if (len(value) < 2 || value[0] != stringTag || int(value[1]) != len(value)-2) && !isScalar(value) {
		return 0, false
	}
	if s.keys.exact[shape(key)] != 0 || s.keys.patterns != nil {
		if found = s.keys.find(key) & active; found != 0 {
			return found, true
		}
	}
	return 0, !s.mayBeSecret(key, value)
}

// skip goes over the fields of a span from a place on, as long as it sees at a
// glance that they concern no rule: what is neither text nor an attribute nor an
// event nor a link, and plain attributes that no rule is about. It returns where
// the first other field begins, and if that is a plain attribute the rules for its
// key. It is message, and ignores, in one loop, since nothing costs more than this.
func (s *Set) skip(m []byte, pos int, active uint64) (at int, found uint64) {
	for len(m)-pos >= 2 {
		tag := m[pos]
		switch tag & 7 {
		case otlpwire.TagBytes:
			n := int(m[pos+1])
			from := pos + 2
			if n >= 0x80 || n > len(m)-from || tag >= 0x80 || tag < 8 {
				return pos, 0
			}
			value := m[from : from+n]
			switch schema[span][tag>>3] {
			case attribute:
				var ok bool
				if found, ok = s.glance(value, active); found != 0 || !ok {
					return pos, found
				}
			case text:
				if s.secrets >= 0 && suspect(value, 0) >= 0 {
					return pos, 0
				}
			case status:
				if s.secrets >= 0 && n > 2 { // there is room for a text
					return pos, 0
				}
			case event, link:
				return pos, 0
			}
			pos = from + n
		case otlpwire.TagVarint:
			if tag >= 0x80 || tag < 8 || m[pos+1] >= 0x80 {
				return pos, 0
			}
			pos += 2
		case otlpwire.TagFixed64:
			if tag >= 0x80 || tag < 8 || len(m)-pos < 9 {
				return pos, 0
			}
			pos += 9
		default: // flags, the one field of a number above 15
			if tag != 0x85 || m[pos+1] != 1 || len(m)-pos < 6 {
				return pos, 0
			}
			pos += 6
		}
	}
	return pos, 0
}
