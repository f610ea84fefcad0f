package traceql

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// The record of a real Tempo's answers (e2e/testdata/conformance) has them in a
// canonical form: lists without an order are sorted, floats have ten digits, and
// the elements of long lists are hashes. Here answers get the same form.

type object = map[string]any

func list(v any) []any { l, _ := v.([]any); return l }

func encoded(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return strings.TrimSpace(b.String())
}

func sortedBy(l []any, key func(any) string) {
	keys := make(map[int]string, len(l))
	index := make([]int, len(l))
	for i := range l {
		keys[i], index[i] = key(l[i]), i
	}
	sort.SliceStable(index, func(a, b int) bool { return keys[index[a]] < keys[index[b]] })
	old := append([]any(nil), l...)
	for i, j := range index {
		l[i] = old[j]
	}
}

func textOf(o any, key string) string {
	m, _ := o.(object)
	if m == nil || m[key] == nil {
		return ""
	}
	return fmt.Sprint(m[key])
}

func paddedTime(o any, key string) string { return fmt.Sprintf("%020s", textOf(o, key)) }

// canonicalSearch takes an answer whose traces are in the order of the answer.
func canonicalSearch(traces []any) object {
	o := object{"traces": traces}
	if len(traces) > 1 {
		o["_order"] = "by start, newest first"
		for i := 1; i < len(traces); i++ {
			if paddedTime(traces[i-1], "startTimeUnixNano") < paddedTime(traces[i], "startTimeUnixNano") {
				o["_order"] = "none"
			}
		}
	}
	for _, t := range traces {
		for _, set := range list(t.(object)["spanSets"]) {
			set := set.(object)
			sortedBy(list(set["attributes"]), encoded)
			for _, s := range list(set["spans"]) {
				sortedBy(list(s.(object)["attributes"]), encoded)
			}
			sortedBy(list(set["spans"]), func(v any) string {
				return paddedTime(v, "startTimeUnixNano") + textOf(v, "spanID") + encoded(v)
			})
		}
		sortedBy(list(t.(object)["spanSets"]), encoded)
	}
	sort.SliceStable(traces, func(i, j int) bool {
		a, b := paddedTime(traces[i], "startTimeUnixNano"), paddedTime(traces[j], "startTimeUnixNano")
		if a != b {
			return a > b
		}
		return textOf(traces[i], "traceID") < textOf(traces[j], "traceID")
	})
	return o
}

func rounded(v any) any {
	switch v := v.(type) {
	case object:
		for k, e := range v {
			v[k] = rounded(e)
		}
	case []any:
		for i, e := range v {
			v[i] = rounded(e)
		}
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return rounded(f)
		}
	case int:
		return float64(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return v
		}
		f, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64)
		return f
	}
	return v
}

// shortened replaces the elements of long lists by hashes.
func shortened(v any) any {
	o, ok := v.(object)
	if !ok || len(encoded(v)) <= 12<<10 {
		return v
	}
	const keepValues, keep = 60, 6
	for _, key := range []string{"tagValues", "tagNames"} {
		if l := list(o[key]); len(l) > keepValues+1 {
			rest := fmt.Sprintf("and more: %d, #%x", len(l)-keepValues, sha256.Sum256([]byte(encoded(l[keepValues:]))))
			o[key] = append(append([]any{}, l[:keepValues]...), rest[:40])
		}
	}
	for key, name := range map[string]string{"traces": "traceID", "series": "promLabels"} {
		l, size := list(o[key]), 0
		for i := range l {
			text := encoded(l[i])
			size += len(text)
			if i < keep || size < 6<<10 {
				continue
			}
			hashed := fmt.Sprintf("%s #%x", textOf(l[i], name), sha256.Sum256([]byte(text)))
			l[i] = hashed[:len(hashed)-52]
		}
	}
	return v
}

// difference says where two canonical answers differ first, or "".
func difference(want, got any, at string) string {
	switch w := want.(type) {
	case object:
		g, ok := got.(object)
		if !ok {
			break
		}
		keys := map[string]bool{}
		for k := range w {
			keys[k] = true
		}
		for k := range g {
			keys[k] = true
		}
		sorted := make([]string, 0, len(keys))
		for k := range keys {
			sorted = append(sorted, k)
		}
		sort.Strings(sorted)
		for _, k := range sorted {
			if d := difference(w[k], g[k], at+"."+k); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			break
		}
		if len(w) != len(g) {
			return fmt.Sprintf("%s: want %d, got %d elements: %s", at, len(w), len(g), oneSided(w, g))
		}
		for i := range w {
			if d := difference(w[i], g[i], fmt.Sprintf("%s[%d]", at, i)); d != "" {
				return d
			}
		}
		return ""
	case float64:
		if g, ok := got.(float64); ok && (w == g || math.Abs(w-g) <= 1e-9*math.Max(math.Abs(w), math.Abs(g))) {
			return ""
		}
	}
	if encoded(want) == encoded(got) {
		return ""
	}
	return fmt.Sprintf("%s: want %s, got %s", at, cut(encoded(want)), cut(encoded(got)))
}

func oneSided(w, g []any) string {
	name := func(v any) string {
		for _, key := range []string{"traceID", "spanID", "promLabels"} {
			if id := textOf(v, key); id != "" {
				return id
			}
		}
		return strings.SplitN(encoded(v), " #", 2)[0]
	}
	has := map[string]bool{}
	for _, v := range g {
		has[name(v)] = true
	}
	for _, v := range w {
		if !has[name(v)] {
			return "missing " + cut(name(v))
		}
		delete(has, name(v))
	}
	for k := range has {
		return "too much " + cut(k)
	}
	return ""
}

func cut(s string) string {
	if len(s) > 300 {
		return s[:300] + "..."
	}
	return s
}
