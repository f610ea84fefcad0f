package otlpwire

// Why a span is invalid.
const (
	InvalidTraceID Invalid = iota + 1
	InvalidSpanID
	InvalidParentSpanID
	InvalidUTF8
)

// String says why in words fit for partial_success.error_message.
func (i Invalid) String() string {
	switch i {
	case 0:
		return "valid"
	case InvalidTraceID:
		return "trace_id is not 16 bytes or is all zero"
	case InvalidSpanID:
		return "span_id is not 8 bytes or is all zero"
	case InvalidParentSpanID:
		return "parent_span_id is neither empty nor 8 bytes"
	case InvalidUTF8:
		return "a string is not valid UTF-8"
	}
	return "invalid"
}
