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
