package blocktest

// ResourceSpans is one message of that name, with the spans of some scopes.
type ResourceSpans struct {
	Resource Resource
	Scopes   []ScopeSpans
}

// ScopeSpans is one message of that name.
type ScopeSpans struct {
	Scope Scope
	Spans []Span
}

// Resource is where spans come from.
type Resource struct {
	Attrs   []Attr
	Dropped uint32
	Schema  string
}

// Scope is what made the spans.
type Scope struct {
	Name, Version string
	Attrs         []Attr
	Dropped       uint32
	Schema        string
}

// Span is one span, as it is on the wire.
type Span struct {
	TraceID, SpanID, Parent []byte
	TraceState, Name        string
	Kind                    int32
	Start, End              uint64 // unix nanoseconds
	Attrs                   []Attr
	DroppedAttrs            uint32
	Events                  []Event
	DroppedEvents           uint32
	Links                   []Link
	DroppedLinks            uint32
	Status                  int32
	Message                 string
	Flags                   uint32
	Unknown                 []byte // fields that the protocol does not have, encoded
}

// Event is something that happened within a span.
type Event struct {
	Time    uint64 // unix nanoseconds
	Name    string
	Attrs   []Attr
	Dropped uint32
}

// Link points to another span.
type Link struct {
	TraceID, SpanID []byte
	TraceState      string
	Attrs           []Attr
	Dropped         uint32
	Flags           uint32
}

// Attr is an attribute. Value is a string, bool, int64, float64, []byte, []any
// of such values, []Attr, nil for an AnyValue that holds nothing, or Missing.
type Attr struct {
	Key   string
	Value any
}

// Missing is the value of an attribute that has no AnyValue at all.
type Missing struct{}
