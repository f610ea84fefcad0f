package otlpwire

// Span is a view of one span in the scanned bytes. Every slice aliases the
// request: it is valid only during the callback and must not be written to.
type Span struct {
	TraceID      []byte // as on the wire; 16 bytes when the span is valid
	SpanID       []byte // as on the wire; 8 bytes when the span is valid
	ParentSpanID []byte // as on the wire; 0 or 8 bytes when the span is valid
	TraceState   []byte
	Name         []byte
	Service      []byte // service.name of its resource; nil when absent

	Flags      uint32
	Kind       int32
	StatusCode int32
	StartTime  uint64 // unix nanoseconds
	EndTime    uint64 // unix nanoseconds

	Priority    float64 // span attribute sampling.priority: int, double or numeric string
	HasPriority bool

	Invalid Invalid // why the span cannot be used; 0 is usable
}

// Verdict is a visitor's answer for one span.
type Verdict struct {
	Keep       bool
	Rewrite    bool   // the kept span's tracestate becomes TraceState
	TraceState []byte // read before the next call of the visitor; empty removes the field
}

// Invalid says why a span cannot be used. The zero value is a usable span.
type Invalid uint8
