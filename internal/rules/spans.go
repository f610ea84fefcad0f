package rules

import (
	"fmt"

	"appliance/internal/otlpwire"
)

const (
	// maxSpans is otlpwire's bound of a request.
	maxSpans = 600_000
	// maxRelatives bounds the spans of a request whose parents are remembered. The
	// children of further dropped spans keep the parent that they have.
	maxRelatives = 16 << 10
	// maxHops bounds the way up: parents may be a circle.
	maxHops = 100
)

// spanID is a trace id and a span id.
type spanID [24]byte

// relative is a span that is dropped, or may be because of others.
type relative struct {
	parent  []byte // its id
	trace   []byte
	ordinal int
	dropped bool
	ofProbe bool
}

// spanFates says which spans of a request are dropped, and by which rule.
type spanFates struct {
	// by the ordinal of a span, 1 more than the rule; shorter where no more are dropped
	rules     []uint8
	relatives []relative
	index     map[spanID]int32
}

// reset forgets a request and returns what is used again.
func (s *spanFates) reset() spanFates {
	clear(s.relatives)
	if cap(s.rules) > 64<<10 || len(s.index) > 1<<10 {
		return spanFates{}
	}
	clear(s.index)
	return spanFates{rules: s.rules[:0], relatives: s.relatives[:0], index: s.index}
}

func (s *spanFates) drop(ordinal, rule int) {
	for len(s.rules) <= ordinal {
		s.rules = append(s.rules, 0)
	}
	if s.rules[ordinal] == 0 {
		s.rules[ordinal] = uint8(rule + 1)
	}
}

func (s *spanFates) dropped(ordinal int) (rule int, gone bool) {
	if ordinal >= len(s.rules) || s.rules[ordinal] == 0 {
		return 0, false
	}
	return int(s.rules[ordinal]) - 1, true
}

// any says whether a span may have lost its parent.
func (s *spanFates) any() bool { return len(s.rules) > 0 }

// remember makes a span known to its children.
func (s *spanFates) remember(trace, id, parent []byte, r relative) {
	if len(s.relatives) == maxRelatives || len(trace) != 16 || len(id) != 8 {
		return
	}
	if s.index == nil {
		s.index = map[spanID]int32{}
	}
	r.trace, r.parent = trace, parent
	s.index[idOf(trace, id)] = int32(len(s.relatives))
	s.relatives = append(s.relatives, r)
}

func idOf(trace, id []byte) (k spanID) {
	copy(k[:16], trace)
	copy(k[16:], id)
	return k
}

// find returns the relative of an id, nil if it is none.
func (s *spanFates) find(trace, id []byte) *relative {
	if len(trace) != 16 || len(id) != 8 {
		return nil
	}
	i, ok := s.index[idOf(trace, id)]
	if !ok {
		return nil
	}
	return &s.relatives[i]
}

// parentOf returns the nearest ancestor of a span that is not dropped, if that
// is not its parent.
func (s *spanFates) parentOf(span []byte) (id []byte, other bool) {
	trace, _, parent := idsOf(span)
	for range maxHops {
		r := s.find(trace, parent)
		if r == nil || !r.dropped {
			return parent, other
		}
		parent, other = r.parent, true
	}
	return nil, true
}

// judge decides which spans are dropped, before anything is edited: a child may
// stand before its parent.
func (e *editor) judge(body []byte) error {
	ordinal := 0
	err := eachField(body, 1, func(rs []byte) error {
		if e.set.drops != 0 {
			if err := e.facts.ofResource(e.set, rs); err != nil {
				return err
			}
		}
		return eachScopeSpans(rs, func(ss []byte) error {
			ours := false
			if e.set.traefik >= 0 {
				var err error
				if ours, err = isTraefik(ss); err != nil {
					return err
				}
			}
			return eachField(ss, 2, func(m []byte) error {
				if ordinal++; ordinal > maxSpans {
					return fmt.Errorf("%w: more than %d spans", otlpwire.ErrTooMany, maxSpans)
				}
				return e.judgeSpan(m, ordinal-1, ours)
			})
		})
	})
	if err == nil && e.set.traefik >= 0 {
		e.spans.dropProbes(e.set.traefik)
	}
	return err
}

func (e *editor) judgeSpan(m []byte, ordinal int, ofTraefik bool) error {
	rule := -1
	if e.set.drops != 0 {
		if err := e.facts.ofSpan(e.set, m); err != nil {
			return err
		}
		if held := e.set.holding(e.set.drops, &e.facts); held != 0 {
			rule = trailingZeros(held)
		}
	}
	probe := false
	if ofTraefik {
		middleware, isProbe, err := traefikSpan(m)
		if err != nil {
			return err
		}
		probe = isProbe
		if rule < 0 && (middleware || probe) {
			rule = e.set.traefik
		}
	}
	if rule >= 0 {
		e.spans.drop(ordinal, rule)
	}
	if rule >= 0 || ofTraefik {
		trace, id, parent := idsOf(m)
		e.spans.remember(trace, id, parent, relative{ordinal: ordinal, dropped: rule >= 0, ofProbe: probe})
	}
	return nil
}

// eachField calls do with every field of a number that has a length.
func eachField(m []byte, number uint32, do func([]byte) error) error {
	f := otlpwire.NewFields(m)
	for f.Next() {
		if f.Tag == number<<3|otlpwire.TagBytes {
			if err := do(f.Bytes); err != nil {
				return err
			}
		}
	}
	return f.Err()
}

func eachScopeSpans(rs []byte, do func([]byte) error) error {
	f := otlpwire.NewFields(rs)
	for f.Next() {
		if f.Tag == 2<<3|otlpwire.TagBytes || f.Tag == deprecatedScopeSpans<<3|otlpwire.TagBytes {
			if err := do(f.Bytes); err != nil {
				return err
			}
		}
	}
	return f.Err()
}

// idsOf reads the ids of a span; what is malformed in it is found elsewhere.
func idsOf(m []byte) (trace, id, parent []byte) {
	f := otlpwire.NewFields(m)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			trace = f.Bytes
		case 2<<3 | otlpwire.TagBytes:
			id = f.Bytes
		case 4<<3 | otlpwire.TagBytes:
			parent = f.Bytes
		}
	}
	return trace, id, parent
}

func nameOf(m []byte) []byte {
	name := []byte{}
	f := otlpwire.NewFields(m)
	for f.Next() {
		if f.Tag == 5<<3|otlpwire.TagBytes {
			name = f.Bytes
		}
	}
	return name
}
