package tail

import (
	"appliance/internal/otlpwire"
	"appliance/internal/traceql"
)

// trace is what is known of one that is not decided: 48 bytes.
type trace struct {
	id         [16]byte
	start, end uint64 // Unix nanoseconds: of the first span, of the last end
	met        uint32 // which atoms some span met, or the root
	group      uint32 // its values of the attributes of per
	spans      uint32
	tenant     uint16
	flags      uint16
}

const hasRoot = 1

func (t *trace) of() key { return key{t.id, t.tenant} }

// see takes in one span.
func (t *trace) see(rs *rules, groups *groups, s *traceql.OneSpan) {
	if t.spans < 1<<32-1 {
		t.spans++
	}
	if s.Start > 0 && (t.start == 0 || s.Start < t.start) {
		t.start = s.Start
	}
	t.end = max(t.end, s.End)
	root := s.IsRoot()
	for i := range rs.atoms {
		a := &rs.atoms[i]
		switch {
		case a.root && root: // of several roots the last one counts
			t.met &^= 1 << i
			if a.filter.Match(s) {
				t.met |= 1 << i
			}
		case !a.root && t.met&(1<<i) == 0 && a.filter.Match(s):
			t.met |= 1 << i
		}
	}
	if root {
		t.flags |= hasRoot
	}
	if len(rs.per) > 0 {
		t.group = groups.with(t.group, rs.per, s, root)
	}
}

// eachSpan calls yield with the spans of a record in the order of its bytes.
func eachSpan(record []byte, yield func(resource, scope, span []byte)) error {
	all := otlpwire.NewFields(record)
	for all.Next() {
		if all.Tag != 1<<3|otlpwire.TagBytes {
			continue
		}
		resource, err := last(all.Bytes, 1)
		if err != nil {
			return err
		}
		scopes := otlpwire.NewFields(all.Bytes)
		for scopes.Next() {
			if scopes.Tag != 2<<3|otlpwire.TagBytes {
				continue
			}
			scope, err := last(scopes.Bytes, 1)
			if err != nil {
				return err
			}
			spans := otlpwire.NewFields(scopes.Bytes)
			for spans.Next() {
				if spans.Tag == 2<<3|otlpwire.TagBytes {
					yield(resource, scope, spans.Bytes)
				}
			}
			if err := spans.Err(); err != nil {
				return err
			}
		}
	}
	return all.Err()
}

// last is the last field of a number in a message.
func last(message []byte, number uint32) (value []byte, err error) {
	f := otlpwire.NewFields(message)
	for f.Next() {
		if f.Tag == number<<3|otlpwire.TagBytes {
			value = f.Bytes
		}
	}
	return value, f.Err()
}
