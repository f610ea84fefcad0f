package traceql

import (
	"fmt"
	"strings"
)

// Error says where a query is wrong, why, and what was expected there.
type Error struct {
	At  Pos
	Why string
}

func (e *Error) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.At.Line, e.At.Col, e.Why)
}

func errorAt(at Pos, format string, args ...any) error {
	return &Error{At: at, Why: fmt.Sprintf(format, args...)}
}

// brief prints the part of a query for an error, and cuts it if it is long.
func brief(x node) string {
	s := x.String()
	if len(s) <= 120 {
		return s
	}
	return strings.ToValidUTF8(s[:120], "") + "..."
}
