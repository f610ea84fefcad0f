package traceql

import "fmt"

type tokenKind uint8

const (
	tokenEnd       tokenKind = iota
	tokenWord                // name, by, true
	tokenInt                 // 5
	tokenFloat               // 5.5, 1e6
	tokenDuration            // 5ms
	tokenString              // "x" or `x`
	tokenAttribute           // span.x, .x
	tokenScope               // span: before the name of an intrinsic
	tokenSign                // operators, parentheses, commas
)

// token is the smallest part of a query that means something.
type token struct {
	kind tokenKind
	at   Pos
	// text is the text of a word or sign, the contents of a string, the key of
	// an attribute, the word of a scope.
	text  string
	scope Scope
	// parent is set for parent.x.
	parent bool
	int    int64
	float  float64
}

// is says whether the token is this word or sign.
func (t token) is(text string) bool {
	return (t.kind == tokenWord || t.kind == tokenSign) && t.text == text
}

// String says what the token is in an error.
func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "end of the query"
	case tokenInt:
		return "integer"
	case tokenFloat:
		return "float"
	case tokenDuration:
		return "duration"
	case tokenString:
		return "string"
	case tokenAttribute:
		return "attribute"
	case tokenScope:
		return t.text + ":"
	default:
		return fmt.Sprintf("%.40q", t.text)
	}
}
