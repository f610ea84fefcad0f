package traceql

import (
	"errors"
	"strings"
	"testing"
)

// Each text is printed in the form behind it. What is printed parses again.
func TestPrint(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                             "{ }",
		"{ /* a */ true // b\n}":         "{ true }",
		"{ ((((span.a)))) = ((2)) }":     "{ span.a = 2 }",
		"{.a=1&&.b=2||.c=3}":             "{ ((.a = 1) && (.b = 2)) || (.c = 3) }",
		"{.a=1||.b=2&&.c=3}":             "{ ((.a = 1) || (.b = 2)) && (.c = 3) }",
		"{ -2 ^ 2 = 4 }":                 "{ (-(2 ^ 2)) = 4 }",
		"{ -.a + 3 = 1 }":                "{ ((-.a) + 3) = 1 }",
		"{ 2 ^ 3 ^ 2 = 512 }":            "{ (2 ^ (3 ^ 2)) = 512 }",
		"{ 10 - 3 - 2 * 2 = 3 }":         "{ ((10 - 3) - (2 * 2)) = 3 }",
		"{ !.a = .b }":                   "{ (!.a) = .b }",
		"{ !(.a = .b) && !!.c }":         "{ (!(.a = .b)) && (!(!.c)) }",
		"{ .a > 1 = true }":              "{ (.a > 1) = true }",
		"{ status = error }":             "{ status = error }",
		"{ span:kind = server }":         "{ kind = server }",
		"{ trace:rootService = `a\"b` }": "{ rootServiceName = `a\"b` }",
		"{ name = \"a`b\" }":             "{ name = \"a`b\" }",
		"{ name = \"a\\u00e9\\n\" }":     "{ name = `aé\n` }",
		`{ span."a b".c = 1 }`:           `{ span."a b.c" = 1 }`,
		`{ span."a"b = 1 }`:              `{ span.ab = 1 }`,
		`{ span."a\"\\" = 1 }`:           `{ span."a\"\\" = 1 }`,
		`{ span."" = 1 }`:                `{ span."" = 1 }`,
		`{ .1 < ."1" }`:                  `{ 0.1 < ."1" }`,
		"{ ..a = 1. }":                   "{ ..a = 1.0 }",
		"{ .a = 1e300 }":                 "{ .a = 1e+300 }",
		"{ duration > 1h30m }":           "{ duration > 1h30m0s }",
		"{ duration > 1d12h }":           "{ duration > 36h0m0s }",
		"{ duration > 1.5ms }":           "{ duration > 1.5ms }",
		"{ duration > 4000µs }":          "{ duration > 4ms }",
		"{ .a = minInt || .a = maxInt }": "{ (.a = minInt) || (.a = 9223372036854775807) }",
		"{ span:childCount > 2 }":        "{ span:childCount > 2 }",
		"({a} )":                         "",
		"({.a})":                         "{ .a }",
		"{.a} || {.b} > {.c}":            "{ .a } || ({ .b } > { .c })",
		"{.a} > {.b} ~ {.c}":             "({ .a } > { .b }) ~ { .c }",
		"({.a}||{.b})&>>{.c}|count()>1":  "({ .a } || { .b }) &>> { .c } | count() > 1",
		"({.a} | count()=1) > (by(.a))":  "({ .a } | count() = 1) > (by(.a))",
		"by(.a)|coalesce()|{}":           "by(.a) | coalesce() | { }",
		"select(.a, name)":               "select(.a, name)",
		"{}|avg(.a +1)>-2.5":             "{ } | avg(.a + 1) > -2.5",
		"{}|rate()by(.a,name)":           "{ } | rate() by(.a, name)",
		"{}|quantile_over_time(duration,.5,1)with(exemplars=5, a=`x`)": "{ } | quantile_over_time(duration, 0.5, 1.0) with(exemplars=5, a=`x`)",
		"{} | max_over_time(childCount)":                               "{ } | max_over_time(.childCount)",
		"{}|compare({.a})":                                             "{ } | compare({ .a }, 10)",
		"{}|compare({.a},3,1,2)":                                       "{ } | compare({ .a }, 3, 1, 2)",
		"{}|rate()|topk(3)>1":                                          "({ } | rate() | topk(3)) > 1",
		"{}|rate()>1|bottomk(3)":                                       "(({ } | rate()) > 1) | bottomk(3)",
		"({}|rate())*100/({}|rate())>=-5":                              "((({ } | rate()) * 100) / ({ } | rate())) >= -5",
		"100*({}|rate())":                                              "100 * ({ } | rate())",
	} {
		q, err := Parse(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s: accepted", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := q.String(); got != want {
			t.Errorf("%s: printed as\n%s, want\n%s", text, got, want)
		}
		if again, err := Parse(want); err != nil || again.String() != want {
			t.Errorf("%s: parsed again: %v, %v", want, again, err)
		}
	}
}

// An error names the place, what is there, and what was expected.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     `line 1, col 1: unexpected end of the query, expected {, (, by, select or an aggregate such as count()`,
		"{ name = }":                           `line 1, col 10: unexpected "}", expected a value: an attribute such as span.http.method, an intrinsic such as name, or a literal`,
		"{ name = \"x\" name }":                `line 1, col 14: unexpected "name", expected an operator or }`,
		"{\n  é = 1\n}":                        `line 2, col 3: unexpected "é", expected a value: an attribute such as span.http.method, an intrinsic such as name, or a literal`,
		"{ .é =\n\t\t\"x }":                    `line 2, col 3: the string does not end in its line, expected "`,
		"{ .a = `x }":                          "line 1, col 8: the string does not end, expected `",
		"{ .a = 'x' }":                         `line 1, col 8: unexpected character '\''`,
		"{ .a = 1 /* x }":                      `line 1, col 10: the comment does not end, expected */`,
		`{ span."a = 1 }`:                      `line 1, col 8: the quoted name does not end, expected "`,
		`{ span."a\t" = 1 }`:                   `line 1, col 10: unknown escape in a quoted name, expected \" or \\`,
		"{ span. = 1 }":                        `line 1, col 8: expected the name of an attribute after the point`,
		"{ trace:name = 1 }":                   `line 1, col 9: unexpected "name", expected duration or id or rootName or rootService`,
		"{ .a = 99999999999999999999 }":        `line 1, col 8: 99999999999999999999 is out of range`,
		"{ .a > 1x }":                          `line 1, col 8: "1x" is not a duration, expected for example 100ms`,
		"{ parent.a = 1 }":                     `line 1, col 3: attributes of the parent span are not supported`,
		"{ childCount = 1 }":                   `line 1, col 3: childCount is not supported without its scope: span:childCount`,
		"{ name = ok }":                        `line 1, col 8: name = ok: = takes two values of the same type, here are string and status`,
		"{ status > ok }":                      `line 1, col 10: status > ok: > does not take a value of type status`,
		"{ -name = .a }":                       `line 1, col 3: -name: - cannot stand before a value of type string`,
		"{ duration }":                         `line 1, col 3: the filter { duration } is a value of type duration, expected a boolean`,
		"{ name =~ \"a**\" }":                  "line 1, col 11: invalid regular expression `a**`: invalid nested repetition operator",
		"{ 1 / 0 = 1 }":                        `line 1, col 5: 1 / 0: division by zero`,
		"{} | count()":                         `line 1, col 13: unexpected end of the query, expected a comparison of count() such as > 5`,
		"{} | avg(name) > 1":                   `line 1, col 10: avg(name) is about a value of type string, expected a number`,
		"{} | avg(1) > 1":                      `line 1, col 10: avg(1) is about a constant, expected an attribute`,
		"{} | by(5)":                           `line 1, col 9: by(5) groups by a constant, expected an attribute`,
		"{} > ({} | count() > 1)":              `line 1, col 4: > joins a pipeline in parentheses with a spanset, expected two of the same sort`,
		"{} + {}":                              `line 1, col 4: unexpected "+", expected an operator, |, with, or the end of the query`,
		"{} | rate() | rate()":                 `line 1, col 15: unexpected "rate", expected topk or bottomk`,
		"{} | rate() | topk(0)":                `line 1, col 20: 0 is too small, expected how many series, 1 at least`,
		"({} | rate()) + {}":                   `line 1, col 17: spans cannot be joined with a metric, expected a number or a metric in parentheses`,
		"1 = 1":                                `line 1, col 3: two numbers are not a query, expected a metric in parentheses`,
		"{} | quantile_over_time(duration, 2)": `line 1, col 35: the quantile 2 is not from 0 to 1`,
		"{} | rate() by (.a,.b,.c,.d,.e,.f)":   `line 1, col 32: by() has 6 attributes, at most 5 are allowed`,
		"{} with (a)":                          `line 1, col 11: unexpected ")", expected =`,
	} {
		_, err := Parse(text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, want an *Error", text, err)
			continue
		}
		if got := err.Error(); got != "parse error at "+want {
			t.Errorf("%s:\n%s, want\n%s", text, got, want)
		}
	}
}

// Texts that are made to take long or to nest deep are read or refused at once.
func TestHostileTexts(t *testing.T) {
	n := 8 << 10
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"parentheses around a filter": {strings.Repeat("(", n) + "{}" + strings.Repeat(")", n), false},
		"parentheses in a filter":     {"{" + strings.Repeat("(", n) + "true" + strings.Repeat(")", n) + "}", false},
		"open parentheses":            {strings.Repeat("(", n), false},
		"negations":                   {"{" + strings.Repeat("!", n) + "true}", false},
		"powers":                      {"{ 1" + strings.Repeat("^1", n) + " = 1 }", false},
		"conditions":                  {"{ .a" + strings.Repeat("&&.a", 2000) + " }", true},
		"filters":                     {"{}" + strings.Repeat("&&{}", 1600), true},
		"stages":                      {"{}" + strings.Repeat("|{}", MaxStages-1), true},
		"too many conditions":         {"{ .a" + strings.Repeat("&&.a", n) + " }", false},
		"too many filters":            {"{}" + strings.Repeat("&&{}", n), false},
		"too many stages":             {"{}" + strings.Repeat("|count()>0", MaxStages), false},
		"stages with brackets":        {strings.Repeat("({}&&", 450) + "{}" + strings.Repeat(")", 450), true},
		"pipelines":                   {strings.Repeat("(by(.a))&&(", 450) + "by(.a)" + strings.Repeat(")", 450), true},
		"a long text":                 {"{ name = `" + strings.Repeat("x", MaxQuery) + "` }", false},
		"a huge exponent":             {"{ 9223372036854775807 ^ 1 = 1 }", true},
		"a regular expression that multiplies": {"{ name =~ `(a{500}){2}|(b{1000})|" +
			strings.Repeat("(x{1000})", 100) + "` }", false},
		"a regular expression of many words": {"{ name =~ `" + strings.Repeat("checkout|", 1000) + "` }", true},
		"invalid UTF-8":                      {"{ name = `\xff` }", false},
	} {
		q, err := Parse(c.text)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v, want accepted: %v", name, err, c.ok)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
		if err == nil && len(q.String()) > 40*len(c.text) {
			t.Errorf("%s: printed in %d bytes of %d", name, len(q.String()), len(c.text))
		}
	}
}
