package conformance

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// differ says where two canonical bodies differ first, or "".
func differ(want, got any, at string) string {
	switch want := want.(type) {
	case object:
		if got, ok := got.(object); ok {
			return differObjects(want, got, at)
		}
	case []any:
		if got, ok := got.([]any); ok {
			return differLists(want, got, at)
		}
	case float64:
		if got, ok := got.(float64); ok && math.Abs(want-got) <= 1e-9*max(math.Abs(want), math.Abs(got)) {
			return ""
		}
	}
	if encode(want) == encode(got) {
		return ""
	}
	return fmt.Sprintf("%s: want %s, got %s", at, cut(encode(want)), cut(encode(got)))
}

func differObjects(want, got object, at string) string {
	fields := map[string]bool{}
	for field := range want {
		fields[field] = true
	}
	for field := range got {
		fields[field] = true
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		w, wanted := want[field]
		g, there := got[field]
		switch {
		case !there:
			return fmt.Sprintf("%s.%s: want %s, got nothing", at, field, cut(encode(w)))
		case !wanted:
			return fmt.Sprintf("%s.%s: want nothing, got %s", at, field, cut(encode(g)))
		}
		if d := differ(w, g, at+"."+field); d != "" {
			return d
		}
	}
	return ""
}

func differLists(want, got []any, at string) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%s: want %d, got %d%s", at, len(want), len(got), onlyIn(want, got))
	}
	for i := range want {
		if d := differ(want[i], got[i], fmt.Sprintf("%s[%d]", at, i)); d != "" {
			return d
		}
	}
	return ""
}

// onlyIn names an element that only one of two lists has.
func onlyIn(want, got []any) string {
	left := map[string]bool{}
	for _, v := range got {
		left[elementName(v)] = true
	}
	for _, v := range want {
		if !left[elementName(v)] {
			return "; missing is " + cut(elementName(v))
		}
	}
	for _, v := range want {
		delete(left, elementName(v))
	}
	for name := range left {
		return "; too many is " + cut(name)
	}
	return ""
}

func elementName(v any) string {
	for _, field := range []string{"traceID", "spanID", "promLabels"} {
		if name := text(v, field); name != "" {
			return name
		}
	}
	name, _, _ := strings.Cut(encode(v), " #")
	return strings.Trim(name, `"`)
}

func cut(s string) string {
	if len(s) > 160 {
		return s[:160] + "…"
	}
	return s
}
