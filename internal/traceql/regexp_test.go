package traceql

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRegexp holds the shortcut for texts that lack a literal against the
// expression itself.
func TestRegexp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	some := func(of []string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(of[r.IntN(len(of))])
		}
		return b.String()
	}
	pieces := []string{
		"a", "b", "ab", ".", ".*", "a+", "(ab)+", "b?", "(a|b)", "(?:ab){2}", "a{0,2}", "(?i:A)", "(?i)b", "[ab]", "^", "$", "\\b", "é", "\uFFFD", "|", "(?:)", "\\.", "\\Qa.b\\E",
	}
	texts := []string{"a", "b", "A", "B", ".", "é", "\xff", "\uFFFD", "\n", "ab"}
	matched, tried := 0, 0
	for range 20_000 {
		pattern := some(pieces, 1+r.IntN(5))
		got, err := CompileRegexp(pattern)
		if err != nil {
			continue
		}
		want := regexp.MustCompile("^(?s:" + pattern + ")$")
		for range 20 {
			text := some(texts, r.IntN(7))
			tried++
			if want.MatchString(text) {
				matched++
			}
			if got.MatchString(text) != want.MatchString(text) {
				t.Fatalf("%q matches %q: %v, want %v; literals %q", pattern, text, got.MatchString(text), want.MatchString(text), got.literals)
			}
		}
	}
	if matched < tried/50 || matched > tried/2 {
		t.Errorf("%d of %d match, which tells little", matched, tried)
	}
}

func TestLiterals(t *testing.T) {
	for pattern, want := range map[string][]string{
		"/api/.*777": {"/api/", "777"}, ".*foo.*": {"foo"}, "a|b": nil, "(ab)?c": {"c"}, "(?i)abc": nil, "(ab)+": {"ab"},
	} {
		x, err := CompileRegexp(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x.literals, want) {
			t.Errorf("%q: %q, want %q", pattern, x.literals, want)
		}
	}
}
