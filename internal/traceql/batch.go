package traceql

import "context"

// Level is where in a trace a value belongs.
type Level uint8

// The levels, from the outside to the inside. Each resource belongs to one
// trace, each scope to one resource, each span to one scope, each event and
// each link to one span.
const (
	LevelTrace Level = iota
	LevelResource
	LevelScope
	LevelSpan
	LevelEvent
	LevelLink
)

// Field names a column: an attribute by scope and key, or an intrinsic. Fields
// are comparable. ScopeNone with a key is the span's attribute or else its
// resource's; no batch has such a column, the engine asks for both.
type Field struct {
	Scope     Scope
	Intrinsic Intrinsic
	Name      string
}

// Intrinsics that a query cannot name and answers need.
const (
	// IntrinsicStart is the start of a span in Unix nanoseconds, TypeInt.
	IntrinsicStart Intrinsic = 200 + iota
	// IntrinsicTraceStart and IntrinsicTraceEnd are in Unix nanoseconds, TypeInt.
	IntrinsicTraceStart
	IntrinsicTraceEnd
	// IntrinsicTraceState is a span's tracestate, TypeString.
	IntrinsicTraceState

	intrinsicsEnd
)

func intrinsic(i Intrinsic) Field { return Field{Intrinsic: i} }

func fieldOf(a *Attribute) Field {
	if a.Intrinsic != IntrinsicNone {
		return Field{Intrinsic: a.Intrinsic}
	}
	return Field{Scope: a.Scope, Name: a.Name}
}

// Level is the level of the field's values.
func (f Field) Level() Level {
	switch f.Intrinsic {
	case IntrinsicNone:
	case IntrinsicTraceID, IntrinsicTraceDuration, IntrinsicRootName, IntrinsicRootService,
		IntrinsicTraceStart, IntrinsicTraceEnd:
		return LevelTrace
	case IntrinsicInstrumentationName, IntrinsicInstrumentationVersion:
		return LevelScope
	case IntrinsicEventName, IntrinsicEventTimeSinceStart:
		return LevelEvent
	case IntrinsicLinkSpanID, IntrinsicLinkTraceID:
		return LevelLink
	default:
		return LevelSpan
	}
	switch f.Scope {
	case ScopeResource:
		return LevelResource
	case ScopeInstrumentation:
		return LevelScope
	case ScopeEvent:
		return LevelEvent
	case ScopeLink:
		return LevelLink
	default:
		return LevelSpan
	}
}

// attribute is the field as a part of a query.
func (f Field) attribute() *Attribute {
	return &Attribute{Scope: f.Scope, Intrinsic: f.Intrinsic, Name: f.Name}
}

// String is how a query writes the field.
func (f Field) String() string { return f.attribute().String() }

// Batch is a set of whole traces in columns, and the one thing that queries
// read: a row group of a block, or spans that are in memory.
//
// The spans of a batch are numbered. Those of a trace follow each other, and
// within it those of a resource, and within that those of a scope. A batch does
// not change, and may be read by several goroutines.
//
// What a method returns belongs to the batch and must not be written to. It
// stays valid as long as the batch. An error is one of reading, of ctx, or
// ErrOverBudget.
type Batch interface {
	// Rows is the number of traces, resources, ... of the batch.
	Rows(Level) int

	// Offsets has Rows+1 entries for LevelTrace, LevelResource and LevelScope:
	// row i is about the spans from o[i] up to o[i+1]. For LevelEvent and
	// LevelLink it has an entry for each span, and one more: span i has the
	// rows from o[i] up to o[i+1].
	Offsets(context.Context, Level) ([]uint32, error)

	// Column has the values of a field, in rows of the field's level. A field
	// that nothing in the batch has gives a vector without parts.
	//
	// want is nil, or says which spans are asked about. It is a hint to read
	// less: values of others may be wrong or missing.
	Column(ctx context.Context, f Field, want *Bitmap) (*Vector, error)

	// Never says that no value of the field matches, as far as can be told
	// without reading values: from dictionaries and statistics. False is
	// always right.
	Never(context.Context, Field, *Predicate) bool

	// Keys calls yield with each attribute that something in the batch has, in
	// no order, until it returns false.
	Keys(ctx context.Context, yield func(Field) bool) error

	// Services has for a trace the spans and errors of each service. want is as
	// for Column, and has all of the trace.
	Services(ctx context.Context, trace int, want *Bitmap) ([]Service, error)
}

// Matcher is a Batch that may know a faster way to the values of a field that a
// predicate is true for.
type Matcher interface {
	// Matching has the values that match, in rows of the field's level, and may
	// have others. ok is false where Column is the way. The values hold nothing
	// of the batch in memory.
	Matching(ctx context.Context, f Field, p *Predicate) (v *Vector, ok bool, err error)
}

// Marker is a Batch that may know how to compare a column without keeping it.
type Marker interface {
	// Mark adds the rows of the field's level that have a value which matches to an
	// empty set. ok is false where Column is the way.
	Mark(ctx context.Context, f Field, p *Predicate, rows *Bitmap) (ok bool, err error)
}

// Forgetter is a Batch that keeps the columns which it has read.
type Forgetter interface {
	// Forget drops them. They are read again when somebody asks.
	Forget()
}

// Service counts the spans of a service in a trace. A resource without a
// service.name that is a string counts as "".
type Service struct {
	Name          string
	Spans, Errors int
}
