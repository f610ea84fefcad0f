package traceql

// Op is an operator.
type Op uint8

// The operators. Those with Not and Union in their name exist for each
// structural operator: !>> and &>>.
const (
	OpNone Op = iota

	OpAnd
	OpOr
	OpNot

	OpEq
	OpNotEq
	OpGreater
	OpGreaterEq
	OpLess
	OpLessEq
	OpRegex
	OpNotRegex

	OpAdd
	OpSub
	OpMul
	OpDiv
	OpMod
	OpPow

	OpChild
	OpParent
	OpDescendant
	OpAncestor
	OpSibling
	OpNotChild
	OpNotParent
	OpNotDescendant
	OpNotAncestor
	OpNotSibling
	OpUnionChild
	OpUnionParent
	OpUnionDescendant
	OpUnionAncestor
	OpUnionSibling
)

var opNames = [...]string{
	OpAnd: "&&", OpOr: "||", OpNot: "!",
	OpEq: "=", OpNotEq: "!=", OpGreater: ">", OpGreaterEq: ">=",
	OpLess: "<", OpLessEq: "<=", OpRegex: "=~", OpNotRegex: "!~",
	OpAdd: "+", OpSub: "-", OpMul: "*", OpDiv: "/", OpMod: "%", OpPow: "^",
	OpChild: ">", OpParent: "<", OpDescendant: ">>", OpAncestor: "<<", OpSibling: "~",
	OpNotChild: "!>", OpNotParent: "!<", OpNotDescendant: "!>>", OpNotAncestor: "!<<",
	OpNotSibling: "!~", OpUnionChild: "&>", OpUnionParent: "&<", OpUnionDescendant: "&>>",
	OpUnionAncestor: "&<<", OpUnionSibling: "&~",
}

func (o Op) String() string { return nameOf(opNames[:], int(o)) }

// Comparison says whether the operator compares values, regular expressions
// included.
func (o Op) Comparison() bool { return o >= OpEq && o <= OpNotRegex }

// Arithmetic says whether the operator computes a number.
func (o Op) Arithmetic() bool { return o >= OpAdd && o <= OpPow }

// Structural says whether the operator is about the places of spans in a trace.
func (o Op) Structural() bool { return o >= OpChild && o <= OpUnionSibling }

// Scope is where an attribute is looked for.
type Scope uint8

// The scopes of attributes.
const (
	ScopeNone Scope = iota
	ScopeSpan
	ScopeResource
	ScopeEvent
	ScopeLink
	ScopeInstrumentation
)

var scopeNames = [...]string{
	ScopeSpan: "span", ScopeResource: "resource", ScopeEvent: "event", ScopeLink: "link",
	ScopeInstrumentation: "instrumentation",
}

func (s Scope) String() string { return nameOf(scopeNames[:], int(s)) }

// Intrinsic is a value that spans have besides attributes.
type Intrinsic uint8

// The intrinsics.
const (
	IntrinsicNone Intrinsic = iota
	IntrinsicName
	IntrinsicDuration
	IntrinsicStatus
	IntrinsicStatusMessage
	IntrinsicKind
	IntrinsicSpanID
	IntrinsicParentID
	IntrinsicChildCount
	IntrinsicNestedSetLeft
	IntrinsicNestedSetRight
	IntrinsicNestedSetParent
	IntrinsicTraceID
	IntrinsicTraceDuration
	IntrinsicRootName
	IntrinsicRootService
	IntrinsicEventName
	IntrinsicEventTimeSinceStart
	IntrinsicLinkSpanID
	IntrinsicLinkTraceID
	IntrinsicInstrumentationName
	IntrinsicInstrumentationVersion
)

// The names are those that Tempo prints, also in the labels of a series.
var intrinsicNames = [...]string{
	IntrinsicName: "name", IntrinsicDuration: "duration", IntrinsicStatus: "status",
	IntrinsicStatusMessage: "statusMessage", IntrinsicKind: "kind", IntrinsicSpanID: "span:id",
	IntrinsicParentID: "span:parentID", IntrinsicChildCount: "span:childCount",
	IntrinsicNestedSetLeft: "nestedSetLeft", IntrinsicNestedSetRight: "nestedSetRight",
	IntrinsicNestedSetParent: "nestedSetParent", IntrinsicTraceID: "trace:id",
	IntrinsicTraceDuration: "traceDuration", IntrinsicRootName: "rootName",
	IntrinsicRootService: "rootServiceName", IntrinsicEventName: "event:name",
	IntrinsicEventTimeSinceStart: "event:timeSinceStart", IntrinsicLinkSpanID: "link:spanID",
	IntrinsicLinkTraceID: "link:traceID", IntrinsicInstrumentationName: "instrumentation:name",
	IntrinsicInstrumentationVersion: "instrumentation:version",
}

func (i Intrinsic) String() string { return nameOf(intrinsicNames[:], int(i)) }

// Type is the type of the values of an intrinsic.
func (i Intrinsic) Type() Type {
	switch i {
	case IntrinsicNone:
		return TypeAttribute
	case IntrinsicDuration, IntrinsicTraceDuration, IntrinsicEventTimeSinceStart:
		return TypeDuration
	case IntrinsicStatus:
		return TypeStatus
	case IntrinsicKind:
		return TypeKind
	case IntrinsicChildCount, IntrinsicNestedSetLeft, IntrinsicNestedSetRight,
		IntrinsicNestedSetParent:
		return TypeInt
	default:
		return TypeString
	}
}

// Type is the type of a value or an expression.
type Type uint8

// The types.
const (
	// TypeNil is that of nil, and of a value that is missing.
	TypeNil Type = iota
	TypeInt
	TypeFloat
	TypeString
	TypeBool
	TypeDuration
	TypeStatus
	TypeKind
	// TypeAttribute is that of an attribute, which only a span tells.
	TypeAttribute
)

var typeNames = [...]string{
	TypeNil: "nil", TypeInt: "integer", TypeFloat: "float", TypeString: "string",
	TypeBool: "boolean", TypeDuration: "duration", TypeStatus: "status", TypeKind: "kind",
	TypeAttribute: "attribute",
}

func (t Type) String() string { return nameOf(typeNames[:], int(t)) }

// Numeric says whether values of the type can be computed with, or may turn
// out to be such.
func (t Type) Numeric() bool {
	return t == TypeInt || t == TypeFloat || t == TypeDuration || t == TypeAttribute
}

// The numbers of statuses and kinds are those of OTLP.
var (
	statusNames = [...]string{0: "unset", 1: "ok", 2: "error"}
	kindNames   = [...]string{
		0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer",
	}
)

// AggregateFunc makes a number of a span set.
type AggregateFunc uint8

// The aggregates.
const (
	AggregateCount AggregateFunc = iota
	AggregateSum
	AggregateAvg
	AggregateMin
	AggregateMax
)

var aggregateNames = [...]string{
	AggregateCount: "count", AggregateSum: "sum", AggregateAvg: "avg", AggregateMin: "min",
	AggregateMax: "max",
}

func (f AggregateFunc) String() string { return nameOf(aggregateNames[:], int(f)) }

// MetricFunc makes series of spans.
type MetricFunc uint8

// The functions of metrics. Compare has a type of its own.
const (
	MetricRate MetricFunc = iota
	MetricCount
	MetricSum
	MetricAvg
	MetricMin
	MetricMax
	MetricQuantile
	MetricHistogram
)

var metricNames = [...]string{
	MetricRate: "rate", MetricCount: "count_over_time", MetricSum: "sum_over_time",
	MetricAvg: "avg_over_time", MetricMin: "min_over_time", MetricMax: "max_over_time",
	MetricQuantile: "quantile_over_time", MetricHistogram: "histogram_over_time",
}

func (f MetricFunc) String() string { return nameOf(metricNames[:], int(f)) }

func nameOf(names []string, i int) string {
	if i >= len(names) || names[i] == "" {
		return "?"
	}
	return names[i]
}

func scopeOf(word string) Scope {
	for i, name := range scopeNames {
		if name == word && i > 0 {
			return Scope(i)
		}
	}
	return ScopeNone
}

// bareIntrinsics are those that are written without a scope.
var bareIntrinsics = map[string]Intrinsic{
	"name": IntrinsicName, "duration": IntrinsicDuration, "status": IntrinsicStatus,
	"statusMessage": IntrinsicStatusMessage, "kind": IntrinsicKind,
	"traceDuration": IntrinsicTraceDuration, "rootName": IntrinsicRootName,
	"rootServiceName": IntrinsicRootService, "nestedSetLeft": IntrinsicNestedSetLeft,
	"nestedSetRight": IntrinsicNestedSetRight, "nestedSetParent": IntrinsicNestedSetParent,
}

// intrinsics are those that are written behind a scope and a colon.
var intrinsics = map[string]map[string]Intrinsic{
	"span": {
		"name": IntrinsicName, "duration": IntrinsicDuration, "status": IntrinsicStatus,
		"statusMessage": IntrinsicStatusMessage, "kind": IntrinsicKind, "id": IntrinsicSpanID,
		"parentID": IntrinsicParentID, "childCount": IntrinsicChildCount,
	},
	"trace": {
		"duration": IntrinsicTraceDuration, "rootName": IntrinsicRootName,
		"rootService": IntrinsicRootService, "id": IntrinsicTraceID,
	},
	"event": {"name": IntrinsicEventName, "timeSinceStart": IntrinsicEventTimeSinceStart},
	"link":  {"traceID": IntrinsicLinkTraceID, "spanID": IntrinsicLinkSpanID},
	"instrumentation": {
		"name": IntrinsicInstrumentationName, "version": IntrinsicInstrumentationVersion,
	},
}
