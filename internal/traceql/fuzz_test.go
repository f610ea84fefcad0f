package traceql

import (
	"errors"
	"strings"
	"testing"
)

// Whatever the text is, Parse returns. What it accepts is printed in a form
// that it reads as the same query; an error lies within the text.
func FuzzParse(f *testing.F) {
	for _, r := range readRecorded(f) {
		f.Add(r.query)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v is not an *Error", text, err)
			}
			lines := strings.Split(text, "\n")
			if e.At.Line < 1 || e.At.Line > len(lines) || e.At.Col < 1 ||
				e.At.Col > len(lines[e.At.Line-1])+1 {
				t.Fatalf("%q: %v lies outside", text, err)
			}
			return
		}
		printed := q.String()
		if len(printed) > MaxQuery {
			return
		}
		again, err := Parse(printed)
		if err != nil {
			var e *Error
			if errors.As(err, &e) && (strings.Contains(e.Why, "levels of nesting") ||
				strings.Contains(e.Why, "words, signs and values")) {
				return // what binds from the left is printed with parentheses
			}
			t.Fatalf("%q is printed as %q: %v", text, printed, err)
		}
		if got := again.String(); got != printed {
			t.Fatalf("%q is printed as %q, and that as %q", text, printed, got)
		}
	})
}
