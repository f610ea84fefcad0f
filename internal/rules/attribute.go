package rules

import (
	"fmt"
	"unicode/utf8"

	"appliance/internal/otlpwire"
)

// maxDepth is how deep the messages of an attribute may nest, counted as the
// default of otlpwire.Limits counts them: two for the attribute and its value, two
// for an array, three for a list.
const maxDepth = 100

const (
	keyTag     = 1<<3 | otlpwire.TagBytes // of a KeyValue
	valueTag   = 2<<3 | otlpwire.TagBytes
	stringTag  = 1<<3 | otlpwire.TagBytes // of an AnyValue
	arrayTag   = 5<<3 | otlpwire.TagBytes
	mapTag     = 6<<3 | otlpwire.TagBytes
	bytesTag   = 7<<3 | otlpwire.TagBytes
	elementTag = 1<<3 | otlpwire.TagBytes // of an ArrayValue and a KeyValueList
)

// masked stands for a secret.

var masked = []byte("***")

// attribute edits a KeyValue: the strongest rule for its key, or its value.
func (e *editor) attribute(kv []byte, depth int) fate {
	at, plain := plainKeyValue(kv)
	key := kv[at.key:at.keyEnd]
	if !plain {
		var err error
		if key, err = keyOf(kv); err != nil {
			e.err = err
			return same
		}
	}
	found := e.set.keys.find(key) & e.active
	if drop := found & e.set.dropping; drop != 0 {
		e.changed(trailingZeros(drop), key)
		return dropped
	}
	if h := found & e.set.hashing; h != 0 {
		e.changed(trailingZeros(h), key)
		if plain {
			e.replacePlain(kv, at)
			return edited
		}
		digest := hashOf(hashed(kv))
		return e.replace(kv, digest[:])
	}
	cut := e.set.shortest(found & e.set.cutting)
	if e.set.secrets >= 0 && isSecret(key) {
		e.changed(e.set.secrets, key)
		return e.replace(kv, masked)
	}
	if plain {
		if done, ok := e.plainValue(kv, at, cut); ok {
			return done
		}
	}
	return e.fields(kv, func(tag uint32, v []byte) fate {
		if tag != valueTag {
			return same
		}
		return e.value(v, key, cut, depth)
	})
}

// shortest is that of some rules which leaves the fewest bytes, or -1.
func (s *Set) shortest(cutting uint64) int {
	cut := -1
	for left := cutting; left != 0; left &= left - 1 {
		if i := trailingZeros(left); cut < 0 || s.rules[i].bytes < s.rules[cut].bytes {
			cut = i
		}
	}
	return cut
}

// plainValue edits what nearly all values are: one string, or one number. ok is
// false for others.
func (e *editor) plainValue(kv []byte, at places, cut int) (done fate, ok bool) {
	value := kv[at.value:at.valueEnd]
	if !isScalar(value) {
		return same, false
	}
	switch {
	case len(value) == 0, e.set.secrets < 0 && cut < 0:
		return same, true
	case value[0] != stringTag:
		return same, value[0] != bytesTag
	}
	from, _ := lengthOf(value, 1)
	mark := len(e.out)
	if e.leaf(value[from:], kv[at.key:at.keyEnd], cut, true) == same {
		return same, true
	}
	e.insert(mark, nil, stringTag)
	if at.key < at.value {
		e.insert(mark, kv[:at.keyEnd], valueTag)
	} else {
		e.insert(mark, nil, valueTag)
		e.out = append(e.out, kv[at.valueEnd:]...)
	}
	return edited, true
}

// fields edits the fields of a small message by what edit does with each.
func (e *editor) fields(m []byte, edit func(tag uint32, value []byte) fate) fate {
	next := 0
	f := otlpwire.NewFields(m)
	for f.Next() {
		if f.Tag&7 != otlpwire.TagBytes {
			continue
		}
		mark := len(e.out)
		switch edit(f.Tag, f.Bytes) {
		case edited:
			e.insert(mark, m[next:f.Start], f.Tag)
			next = f.End
		case dropped:
			e.out = append(e.out[:mark], m[next:f.Start]...)
			next = f.End
		}
		if e.err != nil {
			return same
		}
	}
	if e.err = f.Err(); e.err != nil || next == 0 {
		return same
	}
	e.out = append(e.out, m[next:]...)
	return edited
}

// value edits an AnyValue, of which rule cut shortens strings if it is not -1.
func (e *editor) value(v, key []byte, cut, depth int) fate {
	if depth+2 > maxDepth {
		e.err = fmt.Errorf("%w: more than %d messages nested in an attribute", otlpwire.ErrTooDeep, maxDepth)
		return same
	}
	return e.fields(v, func(tag uint32, inner []byte) fate {
		switch tag {
		case stringTag, bytesTag:
			return e.leaf(inner, key, cut, tag == stringTag)
		case arrayTag:
			return e.fields(inner, func(tag uint32, element []byte) fate {
				if tag != elementTag {
					return same
				}
				return e.value(element, key, cut, depth+2)
			})
		case mapTag:
			return e.fields(inner, func(tag uint32, kv []byte) fate {
				if tag != elementTag {
					return same
				}
				return e.attribute(kv, depth+3)
			})
		}
		return same
	})
}

// leaf edits a string or bytes.
func (e *editor) leaf(s, key []byte, cut int, isText bool) fate {
	mark := len(e.out)
	done := same
	if e.set.secrets >= 0 {
		var found bool
		if e.out, found = mask(e.out, s); found {
			e.changed(e.set.secrets, key)
			done = edited
			s = e.out[mark:]
		}
	}
	if cut < 0 || len(s) <= e.set.rules[cut].bytes {
		return done
	}
	n := e.set.rules[cut].bytes
	for isText && n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	e.changed(cut, key)
	e.out = append(e.out[:mark], s[:n]...)
	return edited
}

// replace appends a KeyValue whose value is another string.
func (e *editor) replace(kv, by []byte) fate {
	f := otlpwire.NewFields(kv)
	for f.Next() {
		if f.Tag != valueTag {
			e.out = append(e.out, kv[f.Start:f.End]...)
		}
	}
	if e.err = f.Err(); e.err != nil {
		return same
	}
	// by is short: its length and that of the value take a byte each.
	e.out = append(e.out, valueTag, byte(len(by)+2), stringTag, byte(len(by)))
	e.out = append(e.out, by...)
	return edited
}

// replacePlain is replace with the hash of a value.
func (e *editor) replacePlain(kv []byte, at places) {
	key := kv[:at.keyEnd]
	if at.value < at.key {
		key = kv[at.valueEnd:]
	}
	h := e.hashOf(textOf(kv[at.value:at.valueEnd]))
	e.out = append(e.out, key...)
	e.out = append(e.out, valueTag, byte(len(h)+2), stringTag, byte(len(h)))
	e.out = append(e.out, h[:]...)
}

func (e *editor) hashOf(value []byte) *hash {
	if e.hashes == nil {
		e.hashes = new(hashes)
	}
	e.hashed = true
	return e.hashes.of(value)
}

// hashed is what of an attribute is hashed.
func hashed(kv []byte) (of []byte) {
	f := otlpwire.NewFields(kv)
	for f.Next() {
		if f.Tag == valueTag {
			of = textOf(f.Bytes)
		}
	}
	return of
}

// textOf is the text of a value that is nothing else, so that its hash is equal to
// what other tools make of the text; else the value.
func textOf(value []byte) []byte {
	if len(value) > 1 && value[0] == stringTag && int(value[1]) == len(value)-2 {
		return value[2:]
	}
	if inner := otlpwire.NewFields(value); inner.Next() && inner.Tag == stringTag && inner.End == len(value) {
		return inner.Bytes
	}
	return value
}

// keyOf returns the key as readers see it: the last one.
func keyOf(kv []byte) (key []byte, err error) {
	f := otlpwire.NewFields(kv)
	for f.Next() {
		if f.Tag == keyTag {
			key = f.Bytes
		}
	}
	return key, f.Err()
}
