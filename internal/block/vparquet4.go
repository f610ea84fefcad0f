package block

import "appliance/internal/block/parquet"

// FormatVParquet4 is the format that this package writes. Tempo reads it since
// version 2.5.
const FormatVParquet4 = "vParquet4"

const dedicatedColumns = 10 // of resources, and of spans

// The encodings of vParquet4's columns.
const (
	dict       = parquet.RLEDictionary
	deltaBytes = parquet.DeltaLengthByteArray
	deltaInts  = parquet.DeltaBinaryPacked
	plain      = parquet.Plain
)

// newVParquet4 makes the schema of vParquet4. What the names mean is said at
// the roles.
func newVParquet4() *Schema {
	return newSchema(FormatVParquet4, "Trace", func(b *schemaBuilder) {
		b.leaf("TraceID", bytesLeaf(), deltaBytes, TraceID)
		b.leaf("TraceIDText", textLeaf(), deltaBytes, TraceIDText)
		b.leaf("StartTimeUnixNano", uint64Leaf(), deltaInts, TraceStart)
		b.leaf("EndTimeUnixNano", uint64Leaf(), deltaInts, TraceEnd)
		b.leaf("DurationNano", uint64Leaf(), deltaInts, TraceDuration)
		b.leaf("RootServiceName", textLeaf(), dict, RootService)
		b.leaf("RootSpanName", textLeaf(), dict, RootName)
		serviceStats4(b)
		b.list("rs", func(b *schemaBuilder) {
			b.group("Resource", resource4)
			b.list("ss", func(b *schemaBuilder) {
				b.group("Scope", scope4)
				b.list("Spans", span4)
			})
		})
	})
}

func serviceStats4(b *schemaBuilder) {
	e := parquet.SchemaElement{
		Name: "ServiceStats", Converted: parquet.ConvertedMap, Logical: parquet.LogicalType{Kind: parquet.LogicalMap},
	}
	b.node(e, func(b *schemaBuilder) {
		b.repeated("key_value", func(b *schemaBuilder) {
			b.leaf("key", textLeaf(), deltaBytes, StatsService)
			b.group("value", func(b *schemaBuilder) {
				b.leaf("SpanCount", uint32Leaf(), deltaInts, StatsSpans)
				b.leaf("ErrorCount", uint32Leaf(), deltaInts, StatsErrors)
			})
		})
	})
}

func attributes4(b *schemaBuilder, o Owner) {
	b.list("Attrs", func(b *schemaBuilder) {
		b.leaf("Key", textLeaf(), dict, o.Attr(AttrKey))
		b.leaf("IsArray", boolLeaf(), plain, o.Attr(AttrIsArray))
		b.leaves("Value", textLeaf(), dict, o.Attr(AttrText))
		b.leaves("ValueInt", int64Leaf(), plain, o.Attr(AttrInt))
		b.leaves("ValueDouble", doubleLeaf(), plain, o.Attr(AttrDouble))
		b.leaves("ValueBool", boolLeaf(), plain, o.Attr(AttrBool))
		b.optional("ValueUnsupported", textLeaf(), deltaBytes, o.Attr(AttrUnsupported))
	})
}

func dedicated4(b *schemaBuilder, o Owner) {
	b.group("DedicatedAttributes", func(b *schemaBuilder) {
		for n := 1; n <= dedicatedColumns; n++ {
			b.optional(dedicatedName(n), textLeaf(), dict, o.Dedicated(n))
		}
	})
}

func resource4(b *schemaBuilder) {
	attributes4(b, OfResource)
	b.leaf("DroppedAttributesCount", int32Leaf(), deltaInts, ResourceDropped)
	resourceColumns4(b)
}

// resourceColumns4 are the attributes of resources that have columns of their
// own.
func resourceColumns4(b *schemaBuilder) {
	b.leaf("ServiceName", textLeaf(), dict, ResourceService)
	b.optional("Cluster", textLeaf(), dict, ResourceCluster)
	b.optional("Namespace", textLeaf(), dict, ResourceNamespace)
	b.optional("Pod", textLeaf(), dict, ResourcePod)
	b.optional("Container", textLeaf(), dict, ResourceContainer)
	b.optional("K8sClusterName", textLeaf(), dict, ResourceK8sCluster)
	b.optional("K8sNamespaceName", textLeaf(), dict, ResourceK8sNamespace)
	b.optional("K8sPodName", textLeaf(), dict, ResourceK8sPod)
	b.optional("K8sContainerName", textLeaf(), dict, ResourceK8sContainer)
	dedicated4(b, OfResource)
}

func scope4(b *schemaBuilder) {
	b.leaf("Name", textLeaf(), dict, ScopeName)
	b.leaf("Version", textLeaf(), dict, ScopeVersion)
	attributes4(b, OfScope)
	b.leaf("DroppedAttributesCount", int32Leaf(), deltaInts, ScopeDropped)
}

func span4(b *schemaBuilder) {
	b.leaf("SpanID", bytesLeaf(), deltaBytes, SpanID)
	b.leaf("ParentSpanID", bytesLeaf(), deltaBytes, SpanParentSpanID)
	b.leaf("ParentID", int32Leaf(), deltaInts, SpanParent)
	b.leaf("NestedSetLeft", int32Leaf(), deltaInts, SpanLeft)
	b.leaf("NestedSetRight", int32Leaf(), deltaInts, SpanRight)
	b.leaf("Name", textLeaf(), dict, SpanName)
	b.leaf("Kind", int64Leaf(), deltaInts, SpanKind)
	b.leaf("TraceState", textLeaf(), deltaBytes, SpanTraceState)
	b.leaf("StartTimeUnixNano", uint64Leaf(), deltaInts, SpanStart)
	b.leaf("DurationNano", uint64Leaf(), deltaInts, SpanDuration)
	b.leaf("StatusCode", int64Leaf(), deltaInts, SpanStatusCode)
	b.leaf("StatusMessage", textLeaf(), deltaBytes, SpanStatusMessage)
	attributes4(b, OfSpan)
	b.leaf("DroppedAttributesCount", int32Leaf(), deltaInts, SpanDropped)
	b.list("Events", func(b *schemaBuilder) {
		b.leaf("TimeSinceStartNano", uint64Leaf(), deltaInts, EventTime)
		b.leaf("Name", textLeaf(), dict, EventName)
		attributes4(b, OfEvent)
		b.leaf("DroppedAttributesCount", int32Leaf(), deltaInts, EventDropped)
	})
	b.leaf("DroppedEventsCount", int32Leaf(), plain, SpanDroppedEvents)
	b.list("Links", func(b *schemaBuilder) {
		b.leaf("TraceID", bytesLeaf(), deltaBytes, LinkTraceID)
		b.leaf("SpanID", bytesLeaf(), deltaBytes, LinkSpanID)
		b.leaf("TraceState", textLeaf(), deltaBytes, LinkTraceState)
		attributes4(b, OfLink)
		b.leaf("DroppedAttributesCount", int32Leaf(), deltaInts, LinkDropped)
	})
	b.leaf("DroppedLinksCount", int32Leaf(), plain, SpanDroppedLinks)
	spanColumns4(b)
}

// spanColumns4 are the attributes of spans that have columns of their own.
func spanColumns4(b *schemaBuilder) {
	b.optional("HttpMethod", textLeaf(), dict, SpanHTTPMethod)
	b.optional("HttpUrl", textLeaf(), dict, SpanHTTPURL)
	b.optional("HttpStatusCode", int64Leaf(), plain, SpanHTTPStatus)
	dedicated4(b, OfSpan)
}
