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

// ignores says of nearly every attribute at a glance that no rule concerns it: a
// key that none has, and one value that is neither a list nor a map. false is no
// answer.
func (s *Set) ignores(kv []byte) bool {
	if !s.glances {
		return false
	}
	key, value, ok := plainKeyValue(kv)
	if !ok {
		if key, value, ok = longKeyValue(kv); !ok {
			return false
		}
	}
	return (s.keys.exact[shape(key)] == 0 || s.keys.find(key) == 0) && isScalar(value)
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

// longKeyValue is plainKeyValue for a value whose length takes two bytes.
func longKeyValue(kv []byte) (key, value []byte, ok bool) {
	if len(kv) < 4 || kv[0] != keyTag || kv[1] >= 0x80 {
		return nil, nil, false
	}
	at := 2 + int(kv[1])
	if at+3 > len(kv) || kv[at] != valueTag || kv[at+1] < 0x80 || kv[at+2] >= 0x80 || int(kv[at+1]&0x7f)|int(kv[at+2])<<7 != len(kv)-at-3 {
		return nil, nil, false
	}
	return kv[2:at], kv[at+3:], true
}

// ignoresSpan says of most spans at a glance that nothing in them concerns a rule
// by key: all attributes are plain, of keys that no rule has, and there are no
// events and links. false is no answer. It is message, and ignores, in one loop,
// since nothing costs more than this.
func (s *Set) ignoresSpan(m []byte) bool {
	pos := 0
	for len(m)-pos >= 2 {
		tag := m[pos]
		if tag < 8 {
			return false
		}
		switch tag & 7 {
		case otlpwire.TagBytes:
			n := int(m[pos+1])
			from := pos + 2
			if n >= 0x80 || n > len(m)-from || tag >= 0x80 || tag == 11<<3|otlpwire.TagBytes || tag == 13<<3|otlpwire.TagBytes {
				return false
			}
			pos = from + n
			if tag != 9<<3|otlpwire.TagBytes {
				continue
			}
			kv := m[from:pos]
			if n < 6 || kv[0] != keyTag {
				return false
			}
			k := 2 + int(kv[1])
			if k+4 > n || kv[k] != valueTag || int(kv[k+1]) != n-k-2 || s.keys.exact[shape(kv[2:k])] != 0 && s.keys.find(kv[2:k]) != 0 {
				return false
			}
			if !(kv[k+2] == stringTag && int(kv[k+3]) == n-k-4) && !isScalar(kv[k+2:]) {
				return false
			}
		case otlpwire.TagVarint:
			if tag >= 0x80 || m[pos+1] >= 0x80 {
				return false
			}
			pos += 2
		case otlpwire.TagFixed64:
			if tag >= 0x80 {
				return false
			}
			pos += 9
		default: // flags, the one field of a number above 15
			if tag != 0x85 || m[pos+1] != 1 {
				return false
			}
			pos += 6
		}
	}
	return pos == len(m)
}
