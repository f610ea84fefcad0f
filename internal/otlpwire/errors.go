package otlpwire

import (
	"errors"
	"fmt"
)

// What a whole request is refused for, to be tested with errors.Is. The error
// that wraps them says what was found and at which byte.
var (
	ErrMalformed = errors.New("malformed request")
	ErrTooDeep   = errors.New("request is nested too deep")
	ErrTooMany   = errors.New("request holds too much")
)

// scanError is a refusal: sentinel, what exactly, and where.
type scanError struct {
	kind   error
	what   problem
	offset int // in the scanned bytes
	limit  int // for what is bounded
}

func (e *scanError) Error() string {
	if e.limit > 0 {
		return fmt.Sprintf("%v: more than %d %s at byte %d", e.kind, e.limit, e.what, e.offset)
	}
	return fmt.Sprintf("%v: %s at byte %d", e.kind, e.what, e.offset)
}

func (e *scanError) Unwrap() error { return e.kind }

// problem is what was found, in words for the sender.
type problem string

const (
	truncated       problem = "truncated field"
	longVarint      problem = "varint of more than 10 bytes"
	fieldZero       problem = "field number 0"
	fieldTooBig     problem = "field number above 536870911"
	wrongType       problem = "wrong wire type for a known field"
	illegalType     problem = "illegal wire type"
	strayEndGroup   problem = "end of a group that was not started"
	crossedEndGroup problem = "end of another group than the one started"

	nestedValues problem = "nested arrays and lists"
	nestedGroups problem = "nested groups"

	manySpans      problem = "spans"
	manyContainers problem = "resource_spans or scope_spans"
	manyAttributes problem = "attributes, array elements, events and links"
)
