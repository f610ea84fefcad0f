package traceql

import (
	"errors"
	"regexp"
	"regexp/syntax"
)

// CompileRegexp compiles the pattern of =~ and !~ as Tempo does: it matches
// whole strings, and a point matches a newline too. A pattern of more than
// MaxRegexp steps is refused.
func CompileRegexp(pattern string) (*regexp.Regexp, error) {
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
	return regexp.Compile("^(?s:" + pattern + ")$")
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
