package tail

import (
	"errors"
	"fmt"

	"appliance/internal/traceql"
)

// Rule is one rule as a person writes it.
type Rule struct {
	Name string
	// When is a TraceQL filter, or a condition on the whole trace. Empty: always.
	When string
	Keep Keep
	// Per are attributes: each of their values has a rate of its own.
	Per []string
}

// Keep is what happens to the traces of a rule.
type Keep struct {
	// Probability is 1 for all and 0 for none. It is not used beside a rate.
	Probability float64
	// SpansPerSecond is the rate that is aimed at; 0 for none.
	SpansPerSecond float64
}

const (
	maxRules      = 64
	maxConditions = 32 // that are asked of single spans
)

// rules are compiled. They do not change.
type rules struct {
	list  []rule
	atoms []atom
	per   []traceql.Field // of all rules
}

// rule is one of them.
type rule struct {
	Rule
	condition
	threshold uint64
	per       []int // which of rules.per
}

// atom is a question about a span, or about the root alone.
type atom struct {
	text   string
	filter *traceql.SpanFilter
	root   bool
	// absent is the answer where no root came.
	absent bool
}

// RuleError says which rule cannot be used, and why.
type RuleError struct {
	Rule string
	Err  error
}

func (e *RuleError) Error() string { return fmt.Sprintf("rule %q: %v", e.Rule, e.Err) }
func (e *RuleError) Unwrap() error { return e.Err }

// Check says what is wrong with rules: a *RuleError for each.
func Check(list []Rule) error {
	_, err := compile(list, func(float64) (uint64, error) { return 0, nil })
	return err
}

// compile reads rules; its error joins what is wrong with each of them.
func compile(list []Rule, threshold func(probability float64) (uint64, error)) (*rules, error) {
	if len(list) > maxRules {
		return nil, fmt.Errorf("%d rules, and at most %d are possible", len(list), maxRules)
	}
	rs := &rules{}
	var errs []error
	named := map[string]bool{}
	for i, r := range list {
		one, err := rs.compile(r, threshold)
		switch {
		case r.Name == "":
			err = errors.New("has no name; give each rule one, which status and metrics show")
			r.Name = fmt.Sprint(i + 1)
		case named[r.Name]:
			err = errors.New("there is another rule of that name; give each its own")
		}
		if err != nil {
			errs = append(errs, &RuleError{r.Name, err})
		}
		named[r.Name] = true
		rs.list = append(rs.list, one)
	}
	return rs, errors.Join(errs...)
}

func (rs *rules) compile(r Rule, threshold func(float64) (uint64, error)) (one rule, err error) {
	one.Rule = r
	if one.condition, err = rs.condition(r.When); err != nil {
		return one, fmt.Errorf("when %s: %w", r.When, err)
	}
	k := r.Keep
	switch {
	case k.SpansPerSecond < 0, !(k.Probability >= 0 && k.Probability <= 1):
		return one, fmt.Errorf("keep: %v is neither all, none, a probability from 0 to 1, nor a rate above 0", k)
	case k.SpansPerSecond == 0 && len(r.Per) > 0:
		return one, errors.New("per: gives each value a rate of its own, and keep is not a rate; write keep: {spans_per_second: N}, or remove per")
	case k.SpansPerSecond == 0:
		if one.threshold, err = threshold(k.Probability); err != nil {
			return one, fmt.Errorf("keep: %w", err)
		}
	}
	for _, text := range r.Per {
		f, err := traceql.FieldOf(text)
		if err != nil {
			return one, fmt.Errorf("per: %w", err)
		}
		one.per = append(one.per, rs.field(f))
	}
	return one, nil
}

// field is the place of a field in per.
func (rs *rules) field(f traceql.Field) int {
	for i, have := range rs.per {
		if have == f {
			return i
		}
	}
	rs.per = append(rs.per, f)
	return len(rs.per) - 1
}

// atom is the place of a question in atoms.
func (rs *rules) atom(x traceql.FieldExpr, root bool) (int, error) {
	text := x.String()
	for i, a := range rs.atoms {
		if a.text == text && a.root == root {
			return i, nil
		}
	}
	if len(rs.atoms) == maxConditions {
		return 0, fmt.Errorf("the rules ask more than %d different things of spans", maxConditions)
	}
	filter, err := traceql.CompileSpanFilter(x)
	if err != nil {
		return 0, err
	}
	var nothing traceql.OneSpan
	rs.atoms = append(rs.atoms, atom{text, filter, root, root && filter.Match(&nothing)})
	return len(rs.atoms) - 1, nil
}

// first is the first rule that matches a trace, or noRule.
func (rs *rules) first(t *trace) int {
	for i := range rs.list {
		if rs.list[i].met(t, rs.atoms) {
			return i
		}
	}
	return noRule
}

// noRule is for traces that no rule matches: they are kept.
const noRule = -1
