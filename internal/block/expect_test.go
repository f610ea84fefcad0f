package block

import (
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"appliance/internal/block/blocktest"
)

// expected makes of batches the rows that their block must have, in the order
// of the block, without the wire, the sorter or the columns. Values that have
// no column are protobuf here, and not JSON.
func expected(t *testing.T, batches []blocktest.ResourceSpans, keepCopies bool) []rowTrace {
	t.Helper()
	traces := make(map[string]*expectedTrace)
	var ids []string
	for _, rs := range batches {
		for _, ss := range rs.Scopes {
			for _, s := range ss.Spans {
				id := string(append(make([]byte, 16-len(s.TraceID)), s.TraceID...))
				if traces[id] == nil {
					traces[id] = &expectedTrace{seen: make(map[string]bool)}
					ids = append(ids, id)
				}
				one := blocktest.ResourceSpans{Resource: rs.Resource, Scopes: []blocktest.ScopeSpans{{Scope: ss.Scope, Spans: []blocktest.Span{s}}}}
				one.Resource.Schema, one.Scopes[0].Scope.Schema = "", ""
				if raw := string(blocktest.Append(nil, one)); keepCopies || !traces[id].seen[raw] {
					traces[id].seen[raw] = true
					traces[id].add(t, &rs.Resource, &ss.Scope, s)
				}
			}
		}
	}
	slices.Sort(ids)
	var rows []rowTrace
	for _, id := range ids {
		rows = append(rows, traces[id].row(id))
	}
	return rows
}

type expectedTrace struct {
	seen      map[string]bool
	resources []rowResourceSpans

	start, end    uint64
	service, name string // of the root
}

func (e *expectedTrace) add(t *testing.T, res *blocktest.Resource, sc *blocktest.Scope, s blocktest.Span) {
	r, scope := expectedResource(t, res), rowScope{sc.Name, sc.Version, expectedAttrs(t, sc.Attrs), int32(sc.Dropped)}
	at := slices.IndexFunc(e.resources, func(o rowResourceSpans) bool { return equalUnordered(o.Resource, r) })
	if at < 0 {
		at = len(e.resources)
		e.resources = append(e.resources, rowResourceSpans{Resource: r})
	}
	rs := &e.resources[at]
	in := slices.IndexFunc(rs.Scopes, func(o rowScopeSpans) bool { return equalUnordered(o.Scope, scope) })
	if in < 0 {
		in = len(rs.Scopes)
		rs.Scopes = append(rs.Scopes, rowScopeSpans{Scope: scope})
	}
	rs.Scopes[in].Spans = append(rs.Scopes[in].Spans, expectedSpan(t, &s))
	if e.start == 0 || s.Start < e.start {
		e.start = s.Start
	}
	e.end = max(e.end, s.End)
	if len(s.Parent) == 0 {
		e.service, e.name = "", s.Name
		if i := slices.IndexFunc(res.Attrs, func(a blocktest.Attr) bool { return a.Key == "service.name" }); i >= 0 {
			e.service, _ = res.Attrs[i].Value.(string)
		}
	}
}

// equalUnordered compares resources or scopes whose attributes may be in any
// order.
func equalUnordered(a, b any) bool {
	return unordered(a) == unordered(b)
}

func unordered(v any) string {
	text := func(attrs []rowAttr) string {
		var all []string
		for _, a := range attrs {
			unsupported := ""
			if a.ValueUnsupported != nil {
				unsupported = "=" + *a.ValueUnsupported
			}
			all = append(all, fmt.Sprintf("%q %v %q %v %x %v %q", a.Key, a.IsArray, a.Value, a.ValueInt, a.ValueDouble, a.ValueBool, unsupported))
		}
		sort.Strings(all)
		return strings.Join(all, "\n")
	}
	switch v := v.(type) {
	case rowResource:
		attrs := text(v.Attrs)
		special := ""
		for _, p := range []*string{v.Cluster, v.Namespace, v.Pod, v.Container, v.K8sClusterName, v.K8sNamespaceName, v.K8sPodName, v.K8sContainerName} {
			if p == nil {
				special += "-,"
			} else {
				special += fmt.Sprintf("%q,", *p)
			}
		}
		return fmt.Sprintf("%q %s %d %s", v.ServiceName, special, v.DroppedAttributesCount, attrs)
	case rowScope:
		return fmt.Sprintf("%q %q %d %s", v.Name, v.Version, v.DroppedAttributesCount, text(v.Attrs))
	}
	panic("neither a resource nor a scope")
}

func expectedResource(t *testing.T, res *blocktest.Resource) rowResource {
	r := rowResource{DroppedAttributesCount: int32(res.Dropped)}
	var rest []blocktest.Attr
	for _, a := range res.Attrs {
		text, ok := a.Value.(string)
		if !ok {
			rest = append(rest, a)
			continue
		}
		switch a.Key {
		case "service.name":
			r.ServiceName = text
		case "cluster":
			r.Cluster = &text
		case "namespace":
			r.Namespace = &text
		case "pod":
			r.Pod = &text
		case "container":
			r.Container = &text
		case "k8s.cluster.name":
			r.K8sClusterName = &text
		case "k8s.namespace.name":
			r.K8sNamespaceName = &text
		case "k8s.pod.name":
			r.K8sPodName = &text
		case "k8s.container.name":
			r.K8sContainerName = &text
		default:
			rest = append(rest, a)
		}
	}
	r.Attrs = expectedAttrs(t, rest)
	return r
}

func expectedSpan(t *testing.T, s *blocktest.Span) rowSpan {
	r := rowSpan{
		SpanID: s.SpanID, ParentSpanID: s.Parent, Name: s.Name, Kind: int64(s.Kind), TraceState: s.TraceState,
		StartTimeUnixNano: s.Start, DurationNano: s.End - s.Start, StatusCode: int64(s.Status), StatusMessage: s.Message,
		DroppedAttributesCount: int32(s.DroppedAttrs), DroppedEventsCount: int32(s.DroppedEvents), DroppedLinksCount: int32(s.DroppedLinks),
	}
	var rest []blocktest.Attr
	for _, a := range s.Attrs {
		text, isText := a.Value.(string)
		number, isInt := a.Value.(int64)
		switch {
		case a.Key == "http.method" && isText:
			r.HttpMethod = &text
		case a.Key == "http.url" && isText:
			r.HttpUrl = &text
		case a.Key == "http.status_code" && isInt:
			r.HttpStatusCode = &number
		default:
			rest = append(rest, a)
		}
	}
	r.Attrs = expectedAttrs(t, rest)
	for _, e := range s.Events {
		r.Events = append(r.Events, rowEvent{e.Time - s.Start, e.Name, expectedAttrs(t, e.Attrs), int32(e.Dropped)})
	}
	for _, l := range s.Links {
		r.Links = append(r.Links, rowLink{l.TraceID, l.SpanID, l.TraceState, expectedAttrs(t, l.Attrs), int32(l.Dropped)})
	}
	return r
}

func expectedAttrs(t *testing.T, attrs []blocktest.Attr) []rowAttr {
	var rows []rowAttr
	for _, a := range attrs {
		r := rowAttr{Key: a.Key}
		if list, ok := a.Value.([]any); ok {
			r.IsArray = true
			for _, v := range list {
				r.IsArray = r.IsArray && r.scalar(v) && fmt.Sprintf("%T", v) == fmt.Sprintf("%T", list[0])
			}
			if !r.IsArray {
				r = rowAttr{Key: a.Key}
				r.unsupported(t, a.Value)
			}
		} else if !r.scalar(a.Value) {
			r.unsupported(t, a.Value)
		}
		rows = append(rows, r)
	}
	return rows
}

func (r *rowAttr) scalar(v any) bool {
	switch v := v.(type) {
	case string:
		r.Value = append(r.Value, v)
	case int64:
		r.ValueInt = append(r.ValueInt, v)
	case float64:
		r.ValueDouble = append(r.ValueDouble, v)
	case bool:
		r.ValueBool = append(r.ValueBool, v)
	default:
		return false
	}
	return true
}

func (r *rowAttr) unsupported(t *testing.T, v any) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(protoValue(v))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	r.ValueUnsupported = &text
}

func protoValue(v any) *commonv1.AnyValue {
	switch v := v.(type) {
	case string:
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: v}}
	case int64:
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_IntValue{IntValue: v}}
	case float64:
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_DoubleValue{DoubleValue: v}}
	case bool:
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_BoolValue{BoolValue: v}}
	case []byte:
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_BytesValue{BytesValue: v}}
	case []any:
		list := &commonv1.ArrayValue{}
		for _, e := range v {
			list.Values = append(list.Values, protoValue(e))
		}
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_ArrayValue{ArrayValue: list}}
	case []blocktest.Attr:
		list := &commonv1.KeyValueList{}
		for _, a := range v {
			list.Values = append(list.Values, &commonv1.KeyValue{Key: a.Key, Value: protoValue(a.Value)})
		}
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_KvlistValue{KvlistValue: list}}
	}
	return &commonv1.AnyValue{}
}

// jsonToProto brings the values of a row that have no column into the form of
// expected, with protobuf's own parser.
func jsonToProto(t *testing.T, attrs []rowAttr) {
	for i := range attrs {
		if attrs[i].ValueUnsupported == nil {
			continue
		}
		var v commonv1.AnyValue
		if err := protojson.Unmarshal([]byte(*attrs[i].ValueUnsupported), &v); err != nil {
			t.Fatalf("%q is not an AnyValue: %v", *attrs[i].ValueUnsupported, err)
		}
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&v)
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		attrs[i].ValueUnsupported = &text
	}
}

func (e *expectedTrace) row(id string) rowTrace {
	r := rowTrace{
		TraceID: []byte(id), TraceIDText: strings.TrimLeft(hex.EncodeToString([]byte(id)), "0"),
		StartTimeUnixNano: e.start, EndTimeUnixNano: e.end, DurationNano: e.end - e.start,
		RootServiceName: e.service, RootSpanName: e.name,
		ServiceStats: make(map[string]rowStats), Resources: e.resources,
	}
	var spans []*rowSpan
	for i := range e.resources {
		rs := &e.resources[i]
		for j := range rs.Scopes {
			for k := range rs.Scopes[j].Spans {
				s := &rs.Scopes[j].Spans[k]
				spans = append(spans, s)
				st := r.ServiceStats[rs.Resource.ServiceName]
				st.SpanCount++
				if s.StatusCode == 2 {
					st.ErrorCount++
				}
				r.ServiceStats[rs.Resource.ServiceName] = st
			}
		}
	}
	nest(spans)
	return r
}

// nest numbers spans by the description of Tempo's nested sets, in the plainest
// way.
func nest(spans []*rowSpan) {
	byID := make(map[string][]*rowSpan)
	for _, s := range spans {
		byID[string(s.SpanID)] = append(byID[string(s.SpanID)], s)
		if len(byID[string(s.SpanID)]) > 2 {
			return
		}
	}
	parent := func(s *rowSpan) *rowSpan {
		found := byID[string(s.ParentSpanID)]
		if len(found) < 2 {
			return append(found, nil)[0]
		}
		want := int64(2)
		if s.Kind == 2 {
			want = 3
		}
		for _, f := range found {
			if f.Kind == want {
				return f
			}
		}
		return nil
	}
	counter := int32(1)
	var number func(s *rowSpan, parentLeft int32)
	number = func(s *rowSpan, parentLeft int32) {
		s.ParentID, s.NestedSetLeft = parentLeft, counter
		counter++
		for _, child := range spans {
			if len(child.ParentSpanID) > 0 && parent(child) == s {
				number(child, s.NestedSetLeft)
			}
		}
		s.NestedSetRight = counter
		counter++
	}
	for _, s := range spans {
		if len(s.ParentSpanID) == 0 {
			number(s, -1)
		}
	}
}

// eachAttrs calls visit for the attributes of everything in a row.
func eachAttrs(r *rowTrace, visit func([]rowAttr)) {
	for i := range r.Resources {
		rs := &r.Resources[i]
		visit(rs.Resource.Attrs)
		for j := range rs.Scopes {
			visit(rs.Scopes[j].Scope.Attrs)
			for _, s := range rs.Scopes[j].Spans {
				visit(s.Attrs)
				for _, e := range s.Events {
					visit(e.Attrs)
				}
				for _, l := range s.Links {
					visit(l.Attrs)
				}
			}
		}
	}
}
