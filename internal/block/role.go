package block

import "strconv"

// Role is what a column is for, whatever its path is in a format. The roles of
// attributes are made by Owner.Attr, those of dedicated columns by
// Owner.Dedicated.
type Role uint16

// Roles of columns that occur once. The order is that of vParquet4.
const (
	TraceID Role = iota
	TraceIDText
	TraceStart    // unix nanoseconds
	TraceEnd      // unix nanoseconds
	TraceDuration // nanoseconds
	RootService
	RootName
	StatsService
	StatsSpans
	StatsErrors

	ResourceDropped // dropped attributes
	ResourceService
	ResourceCluster
	ResourceNamespace
	ResourcePod
	ResourceContainer
	ResourceK8sCluster
	ResourceK8sNamespace
	ResourceK8sPod
	ResourceK8sContainer

	ScopeName
	ScopeVersion
	ScopeDropped

	SpanID
	SpanParentSpanID
	SpanParent // the parent's left
	SpanLeft
	SpanRight
	SpanName
	SpanKind
	SpanTraceState
	SpanStart    // unix nanoseconds
	SpanDuration // nanoseconds
	SpanStatusCode
	SpanStatusMessage
	SpanDropped
	SpanDroppedEvents
	SpanDroppedLinks
	SpanLinks // vParquet3: all links of a span, as protobuf
	SpanHTTPMethod
	SpanHTTPURL
	SpanHTTPStatus

	EventTime     // nanoseconds since the span's start
	EventTimeUnix // vParquet3: unix nanoseconds
	EventName
	EventValue // vParquet3: the AnyValue of an attribute, as protobuf
	EventDropped

	LinkTraceID
	LinkSpanID
	LinkTraceState
	LinkDropped

	firstAttr
)

// Owner is what has attributes.
type Owner uint8

// The owners of attributes.
const (
	OfResource Owner = iota
	OfScope
	OfSpan
	OfEvent
	OfLink
	owners
)

// Part is one of the columns that attributes of one owner take.
type Part uint8

// The columns of attributes, in the order of the file.
const (
	AttrKey Part = iota
	AttrIsArray
	AttrText
	AttrInt
	AttrDouble
	AttrBool
	AttrUnsupported
	AttrArray // vParquet3: an array as protobuf's JSON
	attrParts
)

const firstDedicated = firstAttr + Role(owners)*Role(attrParts)

// lastRole is above all roles.
const lastRole = firstDedicated + Role(owners)*maxDedicated

// maxDedicated is how many text columns a format may dedicate to attributes of
// one owner.
const maxDedicated = 20

// Attr is the role of a part of the attributes that o has.
func (o Owner) Attr(p Part) Role { return firstAttr + Role(o)*Role(attrParts) + Role(p) }

// Dedicated is the role of the n-th dedicated text column of an owner, from 1.
func (o Owner) Dedicated(n int) Role {
	return firstDedicated + Role(o)*maxDedicated + Role(n-1)
}

// special are the attributes that have columns of their own where their value
// has the type of the column.
type special struct {
	key  string
	role Role
}

// serviceName has a column with a value in each resource.
const serviceName = "service.name"

var serviceNameHash = textHash([]byte(serviceName))

// resourceSpecials are those of resources beside it. All are text.
var resourceSpecials = [...]special{
	{"cluster", ResourceCluster},
	{"namespace", ResourceNamespace},
	{"pod", ResourcePod},
	{"container", ResourceContainer},
	{"k8s.cluster.name", ResourceK8sCluster},
	{"k8s.namespace.name", ResourceK8sNamespace},
	{"k8s.pod.name", ResourceK8sPod},
	{"k8s.container.name", ResourceK8sContainer},
}

// spanSpecials are those of spans. http.status_code is an integer.
var spanSpecials = [...]special{
	{"http.method", SpanHTTPMethod},
	{"http.url", SpanHTTPURL},
	{"http.status_code", SpanHTTPStatus},
}

// spanSpecialKinds are the kinds of value that go into these columns.
var spanSpecialKinds = [len(spanSpecials)]uint8{anyText, anyText, anyInt}

func dedicatedName(n int) string {
	if n < 10 {
		return "String0" + strconv.Itoa(n)
	}
	return "String" + strconv.Itoa(n)
}
