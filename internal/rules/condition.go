package rules

import (
	"fmt"
	"regexp"
	"strings"
)

// place is where a condition looks.
type place uint8

const (
	ofName place = iota
	ofKind
	ofStatus
	ofSpan     // an attribute of the span
	ofResource // an attribute of its resource
)

// condition compares one thing. It does not hold where that is not there.
type condition struct {
	place place
	key   string // of the attribute
	fact  int    // its place among the facts of its kind
	not   bool
	text  string
	match *regexp.Regexp // for =~ and !~, of the whole text
}

var kinds = map[string]string{
	"unspecified": "0", "internal": "1", "server": "2", "client": "3", "producer": "4", "consumer": "5",
}

var statuses = map[string]string{"unset": "0", "ok": "1", "error": "2"}

func parseConditions(words []word) (all []condition, err error) {
	for {
		if len(words) < 3 {
			return nil, fmt.Errorf(`a condition is of the form name = "GET /ping", span.KEY =~ "a|b" or resource.KEY != x`)
		}
		c, err := parseCondition(words[0].text, words[1].text, words[2].text)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		if words = words[3:]; len(words) == 0 {
			return all, nil
		}
		if words[0].quoted || words[0].text != "and" {
			return nil, fmt.Errorf("%q stands where only \"and\" can", words[0].text)
		}
		words = words[1:]
	}
}

func parseCondition(left, operator, right string) (c condition, err error) {
	named := map[string]string(nil)
	switch prefix, key, dotted := strings.Cut(left, "."); {
	case left == "name":
		c.place = ofName
	case left == "kind":
		c.place, named = ofKind, kinds
	case left == "status":
		c.place, named = ofStatus, statuses
	case dotted && key != "" && prefix == "span":
		c.place, c.key = ofSpan, key
	case dotted && key != "" && prefix == "resource":
		c.place, c.key = ofResource, key
	default:
		return c, fmt.Errorf("%q is none of name, kind, status, span.KEY and resource.KEY", left)
	}
	c.text = right
	if named != nil {
		number, ok := named[right]
		if !ok || operator != "=" && operator != "!=" {
			return c, fmt.Errorf("%s %s %s: compare it by = or != with a name such as server or error", left, operator, right)
		}
		c.text = number
	}
	switch operator {
	case "=":
	case "!=":
		c.not = true
	case "=~", "!~":
		c.not = operator == "!~"
		if c.match, err = regexp.Compile("^(?s:" + right + ")$"); err != nil {
			return c, fmt.Errorf("%q is not a regular expression: %w", right, err)
		}
	default:
		return c, fmt.Errorf("%q is none of =, !=, =~ and !~", operator)
	}
	return c, nil
}

// fact is a thing that conditions look at.
type fact struct {
	known bool
	text  []byte
}

func (c *condition) holds(f fact) bool {
	if !f.known {
		return false
	}
	if c.match != nil {
		return c.match.Match(f.text) != c.not
	}
	return (string(f.text) == c.text) != c.not
}
