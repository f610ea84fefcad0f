package readapi

import (
	"maps"
	"slices"

	"github.com/grafana/tempo/pkg/tempopb"
)

// foundTrace writes a trace of a search. There may be 10,000 with 100 spans each in
// an answer, for which protobuf's own writer takes half a minute.
func (w *jsonWriter) foundTrace(t *tempopb.TraceSearchMetadata) {
	w.open('{')
	w.string("traceID", t.TraceID)
	w.string("rootServiceName", t.RootServiceName)
	w.string("rootTraceName", t.RootTraceName)
	w.uint64("startTimeUnixNano", t.StartTimeUnixNano)
	w.uint32("durationMs", t.DurationMs)
	if t.SpanSet != nil {
		w.key("spanSet")
		w.open('{')
		w.spanSet(t.SpanSet)
		w.close('}')
	}
	array(w, "spanSets", t.SpanSets, w.spanSet)
	if t.ServiceStats != nil {
		w.key("serviceStats")
		w.serviceStats(t.ServiceStats)
	}
	w.close('}')
}

func (w *jsonWriter) spanSet(s *tempopb.SpanSet) {
	array(w, "spans", s.Spans, func(s *tempopb.Span) {
		w.string("spanID", s.SpanID)
		w.string("name", s.Name)
		w.uint64("startTimeUnixNano", s.StartTimeUnixNano)
		w.uint64("durationNanos", s.DurationNanos)
		array(w, "attributes", s.Attributes, w.keyValue)
	})
	w.uint32("matched", s.Matched)
	array(w, "attributes", s.Attributes, w.keyValue)
}

// serviceStats writes the services in the order of their names.
func (w *jsonWriter) serviceStats(services map[string]*tempopb.ServiceStats) {
	w.open('{')
	for i, name := range slices.Sorted(maps.Keys(services)) {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.text(name)
		w.b = append(w.b, ':')
		w.open('{')
		w.uint32("spanCount", services[name].SpanCount)
		w.uint32("errorCount", services[name].ErrorCount)
		w.close('}')
	}
	w.close('}')
}
