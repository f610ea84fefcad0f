package oracle

import (
	"bytes"
	"fmt"

	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// check compares a span that was read with what its place says; nil means that it is as it was sent. tracestate is not looked at: the
// sampler writes it.
func (f *formula) check(p place, service string, s *trace.Span) error {
	c := f.span(p)
	var status int32
	var message string
	if s.Status != nil {
		status, message = int32(s.Status.Code), s.Status.Message
	}
	for _, differs := range []struct {
		what      string
		got, want any
		differs   bool
	}{
		{"trace id", s.TraceId, c.traceID, !bytes.Equal(s.TraceId, c.traceID[:])},
		{"service", service, c.service, service != c.service},
		{"parent", s.ParentSpanId, c.parent, !bytes.Equal(s.ParentSpanId, c.parent)},
		{"name", s.Name, c.name, s.Name != c.name},
		{"kind", s.Kind, c.kind, int32(s.Kind) != c.kind},
		{"start", s.StartTimeUnixNano, c.start, s.StartTimeUnixNano != c.start},
		{"end", s.EndTimeUnixNano, c.end, s.EndTimeUnixNano != c.end},
		{"status", status, c.status, status != c.status},
		{"status message", message, c.message, message != c.message},
	} {
		if differs.differs {
			return fmt.Errorf("%s is %v, want %v", differs.what, differs.got, differs.want)
		}
	}
	if err := c.checkAttributes(s.Attributes); err != nil {
		return err
	}
	return c.checkEventsAndLinks(f, p, s)
}

func (c *content) checkAttributes(attributes []*common.KeyValue) error {
	want := 4
	if c.text != "" {
		want++
	}
	if len(attributes) != want {
		return fmt.Errorf("%d attributes, want %d", len(attributes), want)
	}
	for _, a := range attributes {
		var ok bool
		switch v := a.GetValue(); a.Key {
		case "oracle.number":
			ok = v.GetIntValue() == c.number
		case "oracle.share":
			ok = v.GetDoubleValue() == c.share
		case "http.method":
			ok = v.GetStringValue() == c.method
		case "http.status_code":
			ok = v.GetIntValue() == c.code
		case "oracle.text":
			ok = v.GetStringValue() == c.text
		}
		if !ok {
			return fmt.Errorf("attribute %.100s", a.String())
		}
	}
	return nil
}

func (c *content) checkEventsAndLinks(f *formula, p place, s *trace.Span) error {
	switch {
	case c.event == "" && len(s.Events) == 0:
	case c.event != "" && len(s.Events) == 1 && s.Events[0].Name == c.event && s.Events[0].TimeUnixNano == c.start:
	default:
		return fmt.Errorf("events %v, want %q", s.Events, c.event)
	}
	other := f.traceID(p.trace - 1)
	switch {
	case !c.linked && len(s.Links) == 0:
	case c.linked && len(s.Links) == 1 && bytes.Equal(s.Links[0].TraceId, other[:]) && bytes.Equal(s.Links[0].SpanId, c.spanID[:]):
	default:
		return fmt.Errorf("links %v", s.Links)
	}
	return nil
}

// serviceOf is the service.name of a resource.
func serviceOf(r *trace.ResourceSpans) string {
	if r.Resource == nil {
		return ""
	}
	for _, a := range r.Resource.Attributes {
		if a.Key == "service.name" {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}
