package tail

import (
	"slices"
	"strings"

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

// groups are the values that traces have of the attributes of per, each
// combination once. 0 has none of them yet.
type groups struct {
	list   [][]string
	number map[string]uint32
}

// maxGroups bounds the combinations; what is above it counts as one without any
// value.
const maxGroups = 4096

// missing is the value of an attribute that no span has.
const missing = "\x00"

func newGroups(fields int) *groups {
	return &groups{list: [][]string{slices.Repeat([]string{missing}, fields)}, number: map[string]uint32{}}
}

// with is the group after one more span: the root's values count, else those of
// the first span that has any.
func (g *groups) with(was uint32, fields []traceql.Field, s *traceql.OneSpan, root bool) uint32 {
	have := g.list[was]
	var now []string
	for i, f := range fields {
		if !root && have[i] != missing {
			continue
		}
		var room [4]traceql.Value
		values := s.Values(f, room[:0])
		if len(values) == 0 {
			continue
		}
		text := values[0].String()
		if text == have[i] {
			continue
		}
		if now == nil {
			now = slices.Clone(have)
		}
		now[i] = strings.Clone(text)
	}
	if now == nil {
		return was
	}
	name := strings.Join(now, "\x01")
	if n, ok := g.number[name]; ok {
		return n
	}
	if len(g.list) == maxGroups {
		return 0
	}
	n := uint32(len(g.list))
	g.list, g.number[name] = append(g.list, now), n
	return n
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
