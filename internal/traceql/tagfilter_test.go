package traceql

import "testing"

func TestTagFilter(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"{":                               "",
		"{}":                              "",
		"nonsense":                        "",
		"{ .nothing = 1 }":                "",
		"{ status = error }":              "{ status = error }",
		"{ status = error":                "{ status = error }",
		"{ status = error && ":            "{ status = error }",
		"{ status = error && span.a }":    "{ status = error }",
		"{ status = error && span.a = }":  "{ status = error }",
		"{ status = error && span.a = \"": "{ status = error }",
		"{ span.a = && status = error }":  "{ status = error }",
		"{ name = 5 && status = error }":  "{ status = error }",
		"{ .a = 5 && status = error }":    "{ status = error }",
		"{ span.a = 1 && (status = error) && kind = server }": "{ ((span.a = 1) && (status = error)) && (kind = server) }",
		"{ (span.a = 1 && status = error }":                   "",
		"{ span.a = 1 || span.b = 2 }":                        "",
		"{ (span.a = 1 || span.b = 2) && span.c = 3 }":        "",
		"{ status = error } | count() > 1":                    "",
		"{ status = error } > { }":                            "",
		"{ name =~ `(` && status = error }":                   "{ status = error }",
	} {
		got := ""
		if f := ParseTagFilter(text); f != nil {
			got = f.String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Whatever the text is, the filter is nothing or can be parsed.
func FuzzTagFilter(f *testing.F) {
	f.Add("{ status = error && span.a = ")
	f.Add("{ (span.a = 1 && name =~ `(`) && !span.b = 2")
	f.Fuzz(func(t *testing.T, text string) {
		filter := ParseTagFilter(text)
		if filter == nil {
			return
		}
		printed := filter.String()
		if q, err := Parse(printed); len(printed) < MaxQuery && len(lexPrefix(printed)) > 1 && (err != nil || q.String() != printed) {
			t.Fatalf("%q gives %q: %v", text, printed, err)
		}
	})
}
