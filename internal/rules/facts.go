package rules

import (
	"math"
	"strconv"

	"appliance/internal/otlpwire"
)

// facts are what the conditions look at, of one span and its resource.
type facts struct {
	name, kind, status fact
	span, resource     []fact // by the keys of the Set
}

// holding returns those of some rules whose conditions all hold.
func (s *Set) holding(rules uint64, f *facts) (held uint64) {
	for left := rules; left != 0; left &= left - 1 {
		i := trailingZeros(left)
		if f.hold(s.rules[i].conditions) {
			held |= 1 << i
		}
	}
	return held
}

func (f *facts) hold(conditions []condition) bool {
	for i := range conditions {
		c := &conditions[i]
		var about fact
		switch c.place {
		case ofName:
			about = f.name
		case ofKind:
			about = f.kind
		case ofStatus:
			about = f.status
		case ofSpan:
			about = f.span[c.fact]
		case ofResource:
			about = f.resource[c.fact]
		}
		if !c.holds(about) {
			return false
		}
	}
	return true
}

func cleared(list []fact, n int) []fact {
	if cap(list) < n {
		return make([]fact, n)
	}
	list = list[:n]
	clear(list)
	return list
}

// ofResource reads the resource of a ResourceSpans, which may stand behind its spans.
func (f *facts) ofResource(s *Set, m []byte) error {
	f.resource = cleared(f.resource, len(s.resourceKeys))
	if len(s.resourceKeys) == 0 {
		return nil
	}
	fields := otlpwire.NewFields(m)
	for fields.Next() {
		if fields.Tag != 1<<3|otlpwire.TagBytes {
			continue
		}
		inner := otlpwire.NewFields(fields.Bytes)
		for inner.Next() {
			if inner.Tag == 1<<3|otlpwire.TagBytes {
				if err := note(f.resource, s.resourceKeys, inner.Bytes); err != nil {
					return err
				}
			}
		}
		if err := inner.Err(); err != nil {
			return err
		}
	}
	return fields.Err()
}

var zero = []byte("0") // a number that is not written

func (f *facts) ofSpan(s *Set, m []byte) error {
	f.span = cleared(f.span, len(s.spanKeys))
	f.name, f.kind, f.status = fact{known: true}, fact{true, zero}, fact{true, zero}
	fields := otlpwire.NewFields(m)
	for fields.Next() {
		switch fields.Tag {
		case 5<<3 | otlpwire.TagBytes:
			f.name.text = fields.Bytes
		case 6<<3 | otlpwire.TagVarint:
			f.kind.text = strconv.AppendUint(nil, uint64(uint32(fields.Number)), 10)
		case 9<<3 | otlpwire.TagBytes:
			if len(s.spanKeys) > 0 {
				if err := note(f.span, s.spanKeys, fields.Bytes); err != nil {
					return err
				}
			}
		case 15<<3 | otlpwire.TagBytes:
			inner := otlpwire.NewFields(fields.Bytes)
			for inner.Next() {
				if inner.Tag == 3<<3|otlpwire.TagVarint {
					f.status.text = strconv.AppendUint(nil, uint64(uint32(inner.Number)), 10)
				}
			}
			if err := inner.Err(); err != nil {
				return err
			}
		}
	}
	return fields.Err()
}

// note keeps the value of an attribute that a condition looks at; the first one
// of its key counts.
func note(into []fact, keys []string, kv []byte) error {
	key, err := keyOf(kv)
	if err != nil {
		return err
	}
	for i, k := range keys {
		if k == string(key) && !into[i].known {
			if into[i], err = factOf(kv); err != nil {
				return err
			}
		}
	}
	return nil
}

// factOf is the value of an attribute as text. Lists and maps are none.
func factOf(kv []byte) (f fact, err error) {
	fields := otlpwire.NewFields(kv)
	for fields.Next() {
		if fields.Tag != valueTag {
			continue
		}
		inner := otlpwire.NewFields(fields.Bytes)
		for inner.Next() {
			switch inner.Tag {
			case stringTag, bytesTag:
				f = fact{true, inner.Bytes}
			case 2<<3 | otlpwire.TagVarint:
				f = fact{true, strconv.AppendBool(nil, inner.Number != 0)}
			case 3<<3 | otlpwire.TagVarint:
				f = fact{true, strconv.AppendInt(nil, int64(inner.Number), 10)}
			case 4<<3 | otlpwire.TagFixed64:
				f = fact{true, strconv.AppendFloat(nil, math.Float64frombits(inner.Number), 'g', -1, 64)}
			}
		}
		if err := inner.Err(); err != nil {
			return fact{}, err
		}
	}
	return f, fields.Err()
}
