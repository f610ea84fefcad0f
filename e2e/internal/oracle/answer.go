package oracle

import (
	"github.com/grafana/tempo/pkg/tempopb"
	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// spansOf calls visit with the content of each span of an answer of the read
// API. tracestate is left out: the sampler writes it.
func spansOf(t *tempopb.Trace, visit func(content)) {
	for _, rs := range t.GetResourceSpans() {
		service := ""
		for _, a := range rs.Resource.GetAttributes() {
			if a.Key == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				visit(contentOf(service, s))
			}
		}
	}
}

func contentOf(service string, s *trace.Span) content {
	c := content{
		service: service, name: s.Name, kind: int32(s.Kind), start: s.StartTimeUnixNano, end: s.EndTimeUnixNano,
		status: int32(s.GetStatus().GetCode()), message: s.GetStatus().GetMessage(),
		attributes: len(s.Attributes), events: len(s.Events), links: len(s.Links),
	}
	copy(c.traceID[:], s.TraceId)
	copy(c.spanID[:], s.SpanId)
	copy(c.parent[:], s.ParentSpanId)
	for _, a := range s.Attributes {
		c.take(a)
	}
	for _, e := range s.Events {
		c.event, c.eventAt = e.Name, e.TimeUnixNano
	}
	for _, l := range s.Links {
		copy(c.linkTrace[:], l.TraceId)
		copy(c.linkSpan[:], l.SpanId)
	}
	return c
}

func (c *content) take(a *common.KeyValue) {
	switch v := a.GetValue(); a.Key {
	case "oracle.number":
		c.number = v.GetIntValue()
	case "oracle.share":
		c.share = v.GetDoubleValue()
	case "http.method":
		c.method = v.GetStringValue()
	case "http.status_code":
		c.code = v.GetIntValue()
	case "oracle.text":
		c.text = v.GetStringValue()
	}
}
