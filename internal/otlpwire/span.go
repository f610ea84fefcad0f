package otlpwire

// Span is a view of one span in the scanned bytes. Every slice aliases the
// request: it is valid only during the callback and must not be written to.
// A field that occurs more than once has the value of its last occurrence.
type Span struct {
	TraceID      []byte // as on the wire; 16 bytes when the span is valid
	SpanID       []byte // as on the wire; 8 bytes when the span is valid
	ParentSpanID []byte // as on the wire; 0 or 8 bytes when the span is valid
	TraceState   []byte
	Name         []byte
	Service      []byte // service.name of its resource; nil when absent or not a string

	Flags      uint32
	Kind       int32
	StatusCode int32
	StartTime  uint64 // unix nanoseconds
	EndTime    uint64 // unix nanoseconds

	// span attribute sampling.priority: int, double or decimal string; never NaN
	Priority    float64
	HasPriority bool

	// Text attributes that name whom a client's span called; nil when absent. Of
	// several keys that mean the same, and of one that is there twice, the first
	// counts.
	PeerService   []byte // peer.service
	ServerAddress []byte // server.address, or net.peer.name of older conventions
	DBSystem      []byte // db.system.name, or db.system of older conventions

	Bytes int // length of the span's message, without its tag and length

	Invalid Invalid // why the span cannot be used; 0 is usable
}

// Verdict is a visitor's answer for one span.
type Verdict struct {
	Keep       bool
	Rewrite    bool   // the kept span's tracestate becomes TraceState
	TraceState []byte // copied before the visitor is called again; empty removes the field
}

// Invalid says why a span cannot be used. The zero value is a usable span.
type Invalid uint8

// Why a span is invalid. When several reasons hold, the first of this list counts.
const (
	InvalidTraceID Invalid = iota + 1
	InvalidSpanID
	InvalidParentSpanID
	InvalidLink
	InvalidText
	InvalidResource
	InvalidScope
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
	case InvalidLink:
		return "a link has a trace_id that is not 16 bytes or a span_id that is not 8 bytes"
	case InvalidText:
		return "a string of the span is not valid UTF-8"
	case InvalidResource:
		return "a string of its resource is not valid UTF-8"
	case InvalidScope:
		return "a string of its scope is not valid UTF-8"
	}
	return "invalid"
}
