package traceql

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Regexp is the pattern of =~ and !~.
type Regexp struct {
	re *regexp.Regexp
	// literals stand in each text that matches, one behind the other. Most texts
	// do not match, and lack one.
	literals []string
}

// MatchString says whether the whole text matches.
func (r *Regexp) MatchString(s string) bool {
	rest := s
	for _, l := range r.literals {
		i := strings.Index(rest, l)
		if i < 0 {
			return false
		}
		rest = rest[i+len(l):]
	}
	return r.re.MatchString(s)
}

// CompileRegexp compiles the pattern of =~ and !~ as Tempo does: it matches
// whole strings, and a point matches a newline too. A pattern of more than
// MaxRegexp steps is refused.
func CompileRegexp(pattern string) (*Regexp, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		var e *syntax.Error
		if errors.As(err, &e) {
			return nil, errors.New(e.Code.String())
		}
		return nil, err
	}
	if steps(tree) > MaxRegexp {
		return nil, errors.New("too large")
	}
	re, err := regexp.Compile("^(?s:" + pattern + ")$")
	if err != nil {
		return nil, err
	}
	return &Regexp{re, literals(tree)}, nil
}

// literals are texts that a match has, one behind the other.
func literals(x *syntax.Regexp) (all []string) {
	switch x.Op {
	case syntax.OpLiteral:
		// Bytes that are not UTF-8 match its replacement character.
		if text := string(x.Rune); x.Flags&syntax.FoldCase == 0 && !strings.ContainsRune(text, utf8.RuneError) {
			return []string{text}
		}
	case syntax.OpConcat:
		for _, sub := range x.Sub {
			all = append(all, literals(sub)...)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return literals(x.Sub[0])
	case syntax.OpRepeat:
		if x.Min > 0 {
			return literals(x.Sub[0])
		}
	}
	return all
}

// steps is how large the program of the expression gets, about. It stops
// counting beyond MaxRegexp.
func steps(x *syntax.Regexp) int {
	n := 1 + len(x.Rune)/2
	for _, sub := range x.Sub {
		n += steps(sub)
		if n > MaxRegexp {
			return n
		}
	}
	if x.Op == syntax.OpRepeat {
		n *= max(x.Min, x.Max, 1)
	}
	return n
}
