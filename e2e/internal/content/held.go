package content

import (
	"slices"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// KeepHeld takes out of spans what a block in vParquet4 has no place for: flags,
// schema URLs, all but the last attribute of a name that has a column of its own,
// and a service name that is empty. An attribute without a value becomes one whose
// value holds nothing.
func KeepHeld(data *trace.TracesData) {
	for _, rs := range data.GetResourceSpans() {
		rs.SchemaUrl = ""
		if rs.Resource != nil {
			rs.Resource.Attributes = heldOf(rs.Resource.Attributes, resourceColumn)
		}
		for _, ss := range rs.ScopeSpans {
			ss.SchemaUrl = ""
			fill(ss.GetScope().GetAttributes())
			for _, span := range ss.Spans {
				keepHeld(span)
			}
		}
	}
}

func keepHeld(span *trace.Span) {
	span.Flags = 0
	span.Attributes = heldOf(span.Attributes, spanColumn)
	for _, e := range span.Events {
		fill(e.Attributes)
	}
	for _, l := range span.Links {
		l.Flags = 0
		fill(l.Attributes)
	}
}

// resourceColumn says whether an attribute of a resource has its own column.
func resourceColumn(kv *common.KeyValue) bool {
	switch kv.Key {
	case "service.name", "cluster", "namespace", "pod", "container",
		"k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name", "k8s.container.name":
		_, text := kv.GetValue().GetValue().(*common.AnyValue_StringValue)
		return text
	}
	return false
}

// spanColumn says whether an attribute of a span has its own column.
func spanColumn(kv *common.KeyValue) bool {
	switch kv.Key {
	case "http.method", "http.url":
		_, text := kv.GetValue().GetValue().(*common.AnyValue_StringValue)
		return text
	case "http.status_code":
		_, number := kv.GetValue().GetValue().(*common.AnyValue_IntValue)
		return number
	}
	return false
}

func heldOf(
	attributes []*common.KeyValue, hasColumn func(*common.KeyValue) bool,
) []*common.KeyValue {
	fill(attributes)
	last := map[string]int{}
	for i, kv := range attributes {
		if hasColumn(kv) {
			last[kv.Key] = i
		}
	}
	i := -1
	return slices.DeleteFunc(attributes, func(kv *common.KeyValue) bool {
		i++
		unnamed := kv.Key == "service.name" && kv.Value.GetStringValue() == ""
		return hasColumn(kv) && (last[kv.Key] != i || unnamed)
	})
}

// fill gives attributes without a value one that holds nothing.
func fill(attributes []*common.KeyValue) {
	for _, kv := range attributes {
		if kv.Value == nil {
			kv.Value = &common.AnyValue{}
		}
		fillValue(kv.Value)
	}
}

func fillValue(v *common.AnyValue) {
	for _, e := range v.GetArrayValue().GetValues() {
		fillValue(e)
	}
	fill(v.GetKvlistValue().GetValues())
}

// Tame takes out of spans what a stock Tempo does not get right itself. It ends
// itself over an attribute without a value, and makes one of two resources or
// scopes that differ in their dropped counts alone.
func Tame(data *trace.TracesData) {
	for _, rs := range data.GetResourceSpans() {
		fill(rs.GetResource().GetAttributes())
		if rs.Resource != nil {
			rs.Resource.DroppedAttributesCount = 0
		}
		for _, ss := range rs.ScopeSpans {
			fill(ss.GetScope().GetAttributes())
			if ss.Scope != nil {
				ss.Scope.DroppedAttributesCount = 0
			}
			for _, span := range ss.Spans {
				fill(span.Attributes)
				for _, e := range span.Events {
					fill(e.Attributes)
				}
				for _, l := range span.Links {
					fill(l.Attributes)
				}
			}
		}
	}
}
