package block

// FormatVParquet3 is what Tempo wrote by default from version 2.3 to 2.5. It is
// read, and not written.
const FormatVParquet3 = "vParquet3"

// newVParquet3 makes the schema of vParquet3, as blocks have it: it has no
// attributes of scopes, no counts of what resources and scopes dropped, one
// column for each type of value instead of lists, arrays and lists of keys and
// values as JSON, and attributes of events and links as protobuf.
func newVParquet3() *Schema {
	return newSchema(FormatVParquet3, "Trace", func(b *schemaBuilder) {
		b.leaf("TraceID", bytesLeaf(), deltaBytes, TraceID)
		b.leaf("TraceIDText", textLeaf(), deltaBytes, TraceIDText)
		b.leaf("StartTimeUnixNano", uint64Leaf(), deltaInts, TraceStart)
		b.leaf("EndTimeUnixNano", uint64Leaf(), deltaInts, TraceEnd)
		b.leaf("DurationNano", uint64Leaf(), deltaInts, TraceDuration)
		b.leaf("RootServiceName", textLeaf(), dict, RootService)
		b.leaf("RootSpanName", textLeaf(), dict, RootName)
		b.list("rs", func(b *schemaBuilder) {
			b.group("Resource", resource3)
			b.list("ss", func(b *schemaBuilder) {
				b.group("Scope", func(b *schemaBuilder) {
					b.leaf("Name", textLeaf(), dict, ScopeName)
					b.leaf("Version", textLeaf(), dict, ScopeVersion)
				})
				b.list("Spans", span3)
			})
		})
	})
}

func attributes3(b *schemaBuilder, o Owner) {
	b.list("Attrs", func(b *schemaBuilder) {
		b.leaf("Key", textLeaf(), dict, o.Attr(AttrKey))
		b.optional("Value", textLeaf(), dict, o.Attr(AttrText))
		b.optional("ValueInt", int64Leaf(), plain, o.Attr(AttrInt))
		b.optional("ValueDouble", doubleLeaf(), plain, o.Attr(AttrDouble))
		b.optional("ValueBool", boolLeaf(), plain, o.Attr(AttrBool))
		b.optional("ValueKVList", textLeaf(), deltaBytes, o.Attr(AttrUnsupported))
		b.optional("ValueArray", textLeaf(), deltaBytes, o.Attr(AttrArray))
	})
}

func resource3(b *schemaBuilder) {
	attributes3(b, OfResource)
	resourceColumns4(b)
}

func span3(b *schemaBuilder) {
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
	attributes3(b, OfSpan)
	b.leaf("DroppedAttributesCount", int32Leaf(), plain, SpanDropped)
	b.list("Events", func(b *schemaBuilder) {
		b.leaf("TimeUnixNano", uint64Leaf(), deltaInts, EventTimeUnix)
		b.leaf("Name", textLeaf(), deltaBytes, EventName)
		b.list("Attrs", func(b *schemaBuilder) {
			b.leaf("Key", textLeaf(), dict, OfEvent.Attr(AttrKey))
			b.leaf("Value", bytesLeaf(), deltaBytes, EventValue)
		})
		b.leaf("DroppedAttributesCount", int32Leaf(), deltaInts, EventDropped)
	})
	b.leaf("DroppedEventsCount", int32Leaf(), plain, SpanDroppedEvents)
	b.leaf("Links", bytesLeaf(), deltaBytes, SpanLinks)
	b.leaf("DroppedLinksCount", int32Leaf(), plain, SpanDroppedLinks)
	spanColumns4(b)
}
