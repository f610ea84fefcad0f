package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// action is what a rule does; of several for one attribute the first of these.
type action uint8

const (
	dropSpan action = iota
	dropAttribute
	hashAttribute
	cutAttribute
	traefikPreset
	secretsPreset
)

// rule is one entry of receiver.rules.
type rule struct {
	text       string // as it was written; its name in counts
	action     action
	key        string // of attributes, with at most one *
	bytes      int    // that cut leaves
	conditions []condition
}

const usage = `write "drop span where CONDITION", "drop|hash attribute KEY", "cut attribute KEY to BYTES", or "preset traefik|secrets"`

// parse reads one rule.
func parse(text string) (rule, error) {
	words, err := split(text)
	if err != nil {
		return rule{}, err
	}
	r := rule{text: strings.TrimSpace(text)}
	next := func() string {
		if len(words) == 0 {
			return ""
		}
		w := words[0]
		words = words[1:]
		return w.text
	}
	verb, noun := next(), next()
	switch verb + " " + noun {
	case "preset traefik", "preset secrets":
		r.action = traefikPreset
		if noun == "secrets" {
			r.action = secretsPreset
		}
		if len(words) > 0 {
			return rule{}, fmt.Errorf("a preset stands alone, without %q", words[0].text)
		}
		return r, nil
	case "drop span":
		r.action = dropSpan
	case "drop attribute":
		r.action = dropAttribute
	case "hash attribute":
		r.action = hashAttribute
	case "cut attribute":
		r.action = cutAttribute
	default:
		return rule{}, fmt.Errorf("%s", usage)
	}
	if r.action != dropSpan {
		if r.key = next(); r.key == "" || strings.Count(r.key, "*") > 1 {
			return rule{}, fmt.Errorf("%q is not the key of an attribute, with one * at most; %s", r.key, usage)
		}
	}
	if r.action == cutAttribute {
		to, size := next(), next()
		if r.bytes, err = strconv.Atoi(size); to != "to" || err != nil || r.bytes < 1 {
			return rule{}, fmt.Errorf("say how many bytes are left: cut attribute %s to 200", r.key)
		}
	}
	if len(words) > 0 {
		if where := next(); where != "where" {
			return rule{}, fmt.Errorf("%q stands where only \"where\" can; %s", where, usage)
		}
		if r.conditions, err = parseConditions(words); err != nil {
			return rule{}, err
		}
	} else if r.action == dropSpan {
		return rule{}, fmt.Errorf("say which spans: drop span where name = \"GET /ping\"")
	}
	return r, nil
}

// word is one of a rule. What was quoted is never an operator.
type word struct {
	text   string
	quoted bool
}

// split cuts a rule into words, of which those in double quotes may have blanks.
func split(text string) (words []word, err error) {
	rest := strings.TrimSpace(text)
	for rest != "" {
		if rest[0] == '"' {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("the quote at %q does not end", rest)
			}
			plain, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("%s is not a quoted text: %w", quoted, err)
			}
			words = append(words, word{plain, true})
			rest = strings.TrimSpace(rest[len(quoted):])
			continue
		}
		end := strings.IndexAny(rest, " \t\n\"=!")
		switch {
		case end == 0: // an operator
			end = 1
			for end < len(rest) && strings.ContainsRune("=~", rune(rest[end])) {
				end++
			}
		case end < 0:
			end = len(rest)
		}
		words = append(words, word{text: rest[:end]})
		rest = strings.TrimSpace(rest[end:])
	}
	return words, nil
}
