package traceql

import (
	"fmt"
	"strings"
)

// ParseTag reads the name of a tag as lists of tags have it: an intrinsic
// (name, span:name), or a scope, a point and the key as it is, without quotes
// or escapes (span.http.method, .http.method).
func ParseTag(name string) (*Attribute, error) {
	if i := bareIntrinsics[name]; i != IntrinsicNone {
		return &Attribute{Intrinsic: i}, nil
	}
	if scope, word, ok := strings.Cut(name, ":"); ok && intrinsics[scope][word] != IntrinsicNone {
		return &Attribute{Intrinsic: intrinsics[scope][word]}, nil
	}
	scope, key, ok := strings.Cut(name, ".")
	if ok && key != "" && (scope == "" || scopeOf(scope) != ScopeNone) {
		return &Attribute{Scope: scopeOf(scope), Name: key}, nil
	}
	return nil, fmt.Errorf("not the name of a tag: %.80q; use an intrinsic such as name, or "+
		"a scope and a key such as span.http.method", name)
}
