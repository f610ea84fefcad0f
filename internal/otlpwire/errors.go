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
	longVarint      problem = "varint of more than 64 bits"
	fieldZero       problem = "field number 0"
	fieldTooBig     problem = "field number above 536870911"
	wrongType       problem = "wrong wire type for a known field"
	illegalType     problem = "illegal wire type"
	strayEndGroup   problem = "end of a group that was not started"
	crossedEndGroup problem = "end of another group than the one started"

	notJSON          problem = "character that JSON does not have there"
	endOfJSON        problem = "end of the body within a JSON value"
	trailingData     problem = "data after the JSON object"
	controlCharacter problem = "control character in a string"
	badEscape        problem = "unknown escape in a string"
	notUTF8          problem = "string that is not UTF-8"
	wrongJSONType    problem = "value of the wrong type for its key"
	enumText         problem = "kind or code as a text, of which OTLP's JSON takes the number,"
	byteOrderMark    problem = "byte order mark, which JSON does not begin with,"
	badNumber        problem = "number that is out of range or not of the kind its key wants"
	badHex           problem = "identifier that is not hexadecimal"
	badBase64        problem = "bytes that are not base64"

	nestedValues problem = "messages nested in an attribute"
	nestedGroups problem = "nested groups"
	nestedJSON   problem = "nested values of an unknown key"

	manySpans      problem = "spans"
	manyContainers problem = "resource_spans or scope_spans"
	manyAttributes problem = "attributes, array elements, events, links and entity references"
)
