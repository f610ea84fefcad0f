package config

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Tail decides on whole traces, while they wait in the spool.
type Tail struct {
	DecisionWait time.Duration `yaml:"decision_wait" doc:"Time for which a trace is open after its first span came. Then its first matching rule decides what is kept of it."`
	Remember     time.Duration `yaml:"remember" doc:"Time for which the verdict on a trace holds for spans of it that come late."`
	Rules        []TailRule    `yaml:"rules" doc:"What is kept of which traces, as docs/sampling.md has it: {name: errors, when: '{ status = error }', keep: all}. Empty: tail sampling is off."`
}

// TailRule is one rule of tail.rules. What its texts mean is internal/tail's.
type TailRule struct {
	Name string
	When string
	// Keep is a probability, 1 for all and 0 for none.
	Keep           float64
	SpansPerSecond float64 // instead of a probability
	Per            []string
}

// tailRules is the type of the key.
const tailRulesType = "list of rules"

// tailRules reads a list of rules from its node.
func (f *file) tailRules(k Key, n ast.Node) ([]TailRule, error) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil, f.errorf(n, "%s is a list of rules; write it like [{name: errors, when: '{ status = error }', keep: all}]", k.Path)
	}
	var rules []TailRule
	var errs []error
	for _, item := range seq.Values {
		r, err := f.tailRule(k, item)
		errs = append(errs, err)
		rules = append(rules, r)
	}
	return rules, errors.Join(errs...)
}

func pairsOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func (f *file) tailRule(k Key, n ast.Node) (r TailRule, err error) {
	pairs, ok := pairsOf(n)
	if !ok {
		return r, f.errorf(n, "each entry of %s is a rule, such as {name: rest, keep: 0.05}", k.Path)
	}
	text := Key{Path: k.Path, Type: "string"}
	var errs []error
	kept := false
	for _, pair := range pairs {
		var err error
		switch name := pair.Key.GetToken().Value; name {
		case "name":
			r.Name, err = f.scalar(text, pair.Value)
		case "when":
			r.When, err = f.scalar(text, pair.Value)
		case "keep":
			kept = true
			err = f.keep(text, pair.Value, &r)
		case "per":
			seq, ok := pair.Value.(*ast.SequenceNode)
			if !ok {
				err = f.errorf(pair.Value, "per is a list of attributes; write it like [resource.service.name]")
				break
			}
			for _, item := range seq.Values {
				attribute, e := f.scalar(text, item)
				err = errors.Join(err, e)
				r.Per = append(r.Per, attribute)
			}
		default:
			err = f.errorf(pair.Key, "unknown key %s of a rule; there are name, when, keep and per", name)
		}
		errs = append(errs, err)
	}
	if !kept {
		errs = append(errs, f.errorf(n, "rule %q has no keep; it is all, none, a probability, or {spans_per_second: N}", r.Name))
	}
	return r, errors.Join(errs...)
}

// keep reads what a rule keeps.
func (f *file) keep(k Key, n ast.Node, r *TailRule) error {
	const forms = "keep is all, none, a probability from 0 to 1, or {spans_per_second: N}"
	if pairs, ok := pairsOf(n); ok {
		if len(pairs) != 1 || pairs[0].Key.GetToken().Value != "spans_per_second" {
			return f.errorf(n, forms)
		}
		text, err := f.scalar(k, pairs[0].Value)
		if err != nil {
			return err
		}
		if r.SpansPerSecond, err = strconv.ParseFloat(text, 64); err != nil || !(r.SpansPerSecond > 0) {
			return f.errorf(n, "spans_per_second: %q is not a number above 0", text)
		}
		return nil
	}
	text, err := f.scalar(k, n)
	if err != nil {
		return err
	}
	switch text {
	case "all":
		r.Keep = 1
	case "none":
		r.Keep = 0
	default:
		if r.Keep, err = strconv.ParseFloat(text, 64); err != nil || !(r.Keep >= 0 && r.Keep <= 1) {
			return f.errorf(n, "%q: %s", text, forms)
		}
	}
	return nil
}

// tailRulesText is rules as YAML in one line.
func tailRulesText(rules []TailRule) string {
	items := make([]string, len(rules))
	for i, r := range rules {
		parts := []string{"name: " + quote(r.Name)}
		if r.When != "" {
			parts = append(parts, "when: "+quote(r.When))
		}
		switch {
		case r.SpansPerSecond > 0:
			parts = append(parts, "keep: {spans_per_second: "+strconv.FormatFloat(r.SpansPerSecond, 'g', -1, 64)+"}")
		case r.Keep == 1:
			parts = append(parts, "keep: all")
		case r.Keep == 0:
			parts = append(parts, "keep: none")
		default:
			parts = append(parts, "keep: "+strconv.FormatFloat(r.Keep, 'g', -1, 64))
		}
		if len(r.Per) > 0 {
			per := make([]string, len(r.Per))
			for i, a := range r.Per {
				per[i] = quote(a)
			}
			parts = append(parts, "per: ["+strings.Join(per, ", ")+"]")
		}
		items[i] = "{" + strings.Join(parts, ", ") + "}"
	}
	return "[" + strings.Join(items, ", ") + "]"
}
