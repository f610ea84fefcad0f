package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

type object = map[string]any

// floats is how a float is shown.
type floats int

const (
	allDigits  floats = -1
	tenDigits  floats = 10 // sums of floats depend on the order of their terms
	doubleBits floats = -2 // the bits in hex, or NaN
)

func (f floats) text(v float64) string {
	switch {
	case f != doubleBits:
		return strconv.FormatFloat(v, 'g', int(f), 64)
	case math.IsNaN(v):
		return "NaN"
	}
	return strconv.FormatUint(math.Float64bits(v), 16)
}

// plain makes JSON values of Tempo's structs: objects without zero fields, bytes
// in hex, and every number as text, so that no bit of it is lost.
func plain(v any, f floats) object { return f.plain(reflect.ValueOf(v)).(object) }

func (f floats) plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return f.plain(v.Elem())
	case reflect.Interface: // one of several types
		return object{v.Elem().Elem().Type().Name(): f.plain(v.Elem())}
	case reflect.Struct:
		o := object{}
		for i := range v.NumField() {
			name, field := v.Type().Field(i).Name, v.Field(i)
			empty := field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0
			if !empty || name == "Resource" || name == "Scope" {
				o[name] = f.plain(field)
			}
		}
		return o
	case reflect.Map:
		o := object{}
		for _, k := range v.MapKeys() {
			o[k.String()] = f.plain(v.MapIndex(k))
		}
		return o
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return hex.EncodeToString(v.Bytes())
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = f.plain(v.Index(i))
		}
		return list
	case reflect.String:
		return readable(v.String())
	case reflect.Bool:
		return v.Bool()
	case reflect.Float64:
		return f.text(v.Float())
	case reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	default:
		return strconv.FormatInt(v.Int(), 10)
	}
}

// readable is a copy of a text that may lie in a page. Text that is not UTF-8 is
// quoted, since JSON would lose it.
func readable(s string) string {
	if !utf8.ValidString(s) {
		return strconv.QuoteToASCII(s)
	}
	return strings.Clone(s)
}

// flatten gives a trace a form that does not depend on how spans are grouped
// below resources and scopes: lists of both without repetition, and spans that
// point into them. Attributes are sorted, spans too.
func flatten(tr object) object {
	var spans []object
	var resources, scopes []string
	for _, rs := range list(tr["ResourceSpans"]) {
		resource := rs["Resource"].(object)
		sortList(resource["Attrs"])
		for _, ss := range list(rs["ScopeSpans"]) {
			scope := ss["Scope"].(object)
			sortList(scope["Attrs"])
			for _, span := range list(ss["Spans"]) {
				sortList(span["Attrs"])
				for _, part := range slices.Concat(list(span["Events"]), list(span["Links"])) {
					sortList(part["Attrs"])
				}
				span["~resource"], span["~scope"] = text(resource), text(scope)
				spans = append(spans, span)
				resources = append(resources, text(resource))
				scopes = append(scopes, text(scope))
			}
		}
	}
	resources, scopes = unique(resources), unique(scopes)
	for _, span := range spans {
		span["~resource"] = slices.Index(resources, span["~resource"].(string))
		span["~scope"] = slices.Index(scopes, span["~scope"].(string))
	}
	sortBy(spans, func(span object) string { return fmt.Sprint(span["SpanID"]) + " " + text(span) })
	delete(tr, "ResourceSpans")
	tr["Resources"], tr["Scopes"], tr["Spans"] = raw(resources), raw(scopes), spans
	return tr
}

func unique(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

func raw(texts []string) (messages []json.RawMessage) {
	for _, t := range texts {
		messages = append(messages, json.RawMessage(t))
	}
	return messages
}

func list(v any) (objects []object) {
	l, _ := v.([]any)
	for _, e := range l {
		objects = append(objects, e.(object))
	}
	return objects
}

func sortList(v any) {
	l, _ := v.([]any)
	sortBy(l, text)
}

// sortBy sorts by a key that is costly to make.
func sortBy[T any](l []T, key func(T) string) {
	if len(l) < 2 {
		return
	}
	type keyed struct {
		key   string
		value T
	}
	all := make([]keyed, len(l))
	for i, v := range l {
		all[i] = keyed{key(v), v}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for i := range all {
		l[i] = all[i].value
	}
}

// text is a value as JSON; keys are sorted.
func text(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return strconv.Quote(err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
