package rules

import (
	"errors"
	"fmt"
	"slices"
)

// maxRules is how many a Set can have.
const maxRules = 64

// Set is a list of rules, ready to be applied; safe for concurrent use.
type Set struct {
	rules []rule
	keys  keyIndex

	spanKeys     []string // that conditions look at
	resourceKeys []string

	always     uint64 // rules without conditions, as bits
	byResource uint64 // those with conditions on the resource alone
	bySpan     uint64 // the others
	drops      uint64 // rules about whole spans
	dropping   uint64 // rules about attributes, by what they do
	hashing    uint64
	cutting    uint64
	traefik    int // the preset, -1 if it is not there
	secrets    int
}

// New reads rules, in the language of docs/rules.md. It returns nil for none.
func New(texts []string) (*Set, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	if len(texts) > maxRules {
		return nil, fmt.Errorf("%d rules are more than %d", len(texts), maxRules)
	}
	s := &Set{traefik: -1, secrets: -1}
	var errs []error
	for i, text := range texts {
		r, err := parse(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %d, %s: %w", i+1, text, err))
			continue
		}
		if slices.ContainsFunc(s.rules, func(other rule) bool { return other.text == r.text }) {
			errs = append(errs, fmt.Errorf("rule %d, %s: is there twice", i+1, text))
			continue
		}
		s.add(r)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Set) add(r rule) {
	at := len(s.rules)
	bit := uint64(1) << at
	switch r.action {
	case traefikPreset:
		s.traefik = at
	case secretsPreset:
		s.secrets = at
	case dropSpan:
		s.drops |= bit
	case dropAttribute:
		s.dropping |= bit
	case hashAttribute:
		s.hashing |= bit
	case cutAttribute:
		s.cutting |= bit
	}
	if r.key != "" {
		s.keys.add(r.key, at)
	}
	group := &s.always
	for i := range r.conditions {
		c := &r.conditions[i]
		switch c.place {
		case ofResource:
			c.fact = indexIn(&s.resourceKeys, c.key)
			if group == &s.always {
				group = &s.byResource
			}
			continue
		case ofSpan:
			c.fact = indexIn(&s.spanKeys, c.key)
		}
		group = &s.bySpan
	}
	*group |= bit
	s.rules = append(s.rules, r)
}

// indexIn returns the place of a key in a list, to which it is added if need be.
func indexIn(keys *[]string, key string) int {
	if i := slices.Index(*keys, key); i >= 0 {
		return i
	}
	*keys = append(*keys, key)
	return len(*keys) - 1
}

// Names are the rules as they were written, in their order.
func (s *Set) Names() []string {
	names := make([]string, len(s.rules))
	for i, r := range s.rules {
		names[i] = r.text
	}
	return names
}

// Counts says what the rules did to a request, by the place of the rule.
type Counts struct {
	Dropped [maxRules]uint32 // spans
	Changed [maxRules]uint32 // attributes and texts that were dropped, replaced or cut
	any     bool
}

// Spans is how many spans were dropped.
func (c *Counts) Spans() (n int) {
	if !c.any {
		return 0
	}
	for _, d := range c.Dropped {
		n += int(d)
	}
	return n
}

// Totals are the Counts of many requests.
type Totals struct{ dropped, changed [maxRules]uint64 }

// Add enters a request.
func (t *Totals) Add(c *Counts) {
	if !c.any {
		return
	}
	for i := range maxRules {
		t.dropped[i] += uint64(c.Dropped[i])
		t.changed[i] += uint64(c.Changed[i])
	}
}

// Named returns totals by rule, of all rules; nil where there are no rules.
func (s *Set) Named(t *Totals) (dropped, changed map[string]uint64) {
	if s == nil {
		return nil, nil
	}
	dropped, changed = map[string]uint64{}, map[string]uint64{}
	for i, r := range s.rules {
		dropped[r.text], changed[r.text] = t.dropped[i], t.changed[i]
	}
	return dropped, changed
}
