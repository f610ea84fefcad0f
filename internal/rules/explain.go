package rules

import "slices"

// Explanation says what a Set does to a request.
type Explanation struct {
	Rules []RuleEffect `json:"rules"` // all of them, in their order
}

// RuleEffect is what one rule does.
type RuleEffect struct {
	Rule  string `json:"rule"`
	Spans int    `json:"spans_dropped"`
	// attributes and texts that are dropped, replaced or cut
	Edits int      `json:"edits"`
	Named []string `json:"dropped,omitempty"` // the first names of spans that are dropped
	// the first keys of attributes; "(text)" for what is not an attribute
	Keys []string `json:"edited,omitempty"`
	// the first names of spans they are of; "(resource or scope)" for others
	Of []string `json:"edited_in,omitempty"`
}

// maxShown is how many names each effect shows.
const maxShown = 8

// Explain says what the rules do to a request, and what they leave of it.
func (s *Set) Explain(body []byte) (Explanation, []byte, error) {
	x := Explanation{Rules: make([]RuleEffect, len(s.rules))}
	for i, r := range s.rules {
		x.Rules[i].Rule = r.text
	}
	show := func(list *[]string, what string) {
		if len(*list) < maxShown && !slices.Contains(*list, what) {
			*list = append(*list, what)
		}
	}
	var counts Counts
	out, _, err := s.Apply(nil, body, &counts, func(c Change) {
		effect := &x.Rules[c.Rule]
		if c.Dropped {
			effect.Spans++
			show(&effect.Named, string(c.Span))
			return
		}
		effect.Edits++
		key, of := string(c.Key), string(c.Span)
		if c.Key == nil {
			key = "(text)"
		}
		if c.Span == nil {
			of = "(resource or scope)"
		}
		show(&effect.Keys, key)
		show(&effect.Of, of)
	})
	return x, out, err
}
