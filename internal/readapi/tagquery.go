package readapi

import (
	"maps"
	"regexp"
	"slices"
	"strconv"

	"appliance/internal/traceql"
)

// tagQuery is the query that a search by tags means: each tag on any span of
// the trace. It is nil if no tag says anything.
func tagQuery(tags map[string]string) *traceql.Query {
	var all traceql.SpansetExpr
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		condition := tagCondition(name, tags[name])
		if condition == nil {
			continue
		}
		filter := &traceql.Filter{Expr: condition}
		if all == nil {
			all = filter
		} else {
			all = &traceql.SpansetBinary{Op: traceql.OpAnd, LHS: all, RHS: filter}
		}
	}
	if all == nil {
		return nil
	}
	return &traceql.Query{Spans: &traceql.Pipeline{Stages: []traceql.Stage{all.(traceql.Stage)}}}
}

// partTags are the tags of which a part of the value matches. They are those
// for which Tempo's blocks have columns of their own.
var partTags = map[string]traceql.Attribute{
	"service.name":       {Scope: traceql.ScopeResource, Name: "service.name"},
	"cluster":            {Scope: traceql.ScopeResource, Name: "cluster"},
	"namespace":          {Scope: traceql.ScopeResource, Name: "namespace"},
	"pod":                {Scope: traceql.ScopeResource, Name: "pod"},
	"container":          {Scope: traceql.ScopeResource, Name: "container"},
	"k8s.cluster.name":   {Scope: traceql.ScopeResource, Name: "k8s.cluster.name"},
	"k8s.namespace.name": {Scope: traceql.ScopeResource, Name: "k8s.namespace.name"},
	"k8s.pod.name":       {Scope: traceql.ScopeResource, Name: "k8s.pod.name"},
	"k8s.container.name": {Scope: traceql.ScopeResource, Name: "k8s.container.name"},
	"http.method":        {Scope: traceql.ScopeSpan, Name: "http.method"},
	"http.url":           {Scope: traceql.ScopeSpan, Name: "http.url"},
	"name":               {Intrinsic: traceql.IntrinsicName},
	"root.name":          {Intrinsic: traceql.IntrinsicRootName},
	"root.service.name":  {Intrinsic: traceql.IntrinsicRootService},
}

var statusCodes = map[string]int64{"unset": 0, "ok": 1, "error": 2}

// tagCondition is what a tag says of a span, or nil.
func tagCondition(name, value string) traceql.FieldExpr {
	if attr, ok := partTags[name]; ok {
		if value == "" {
			return nil
		}
		return compare(&attr, traceql.OpRegex, text(".*"+regexp.QuoteMeta(value)+".*"))
	}
	switch name {
	case "status.code":
		code, ok := statusCodes[value]
		if !ok {
			return nil
		}
		return compare(&traceql.Attribute{Intrinsic: traceql.IntrinsicStatus}, traceql.OpEq,
			&traceql.Literal{Kind: traceql.TypeStatus, Int: code})
	case "http.status_code":
		if code, err := strconv.ParseInt(value, 10, 64); err == nil {
			return compare(&traceql.Attribute{Scope: traceql.ScopeSpan, Name: name}, traceql.OpEq,
				&traceql.Literal{Kind: traceql.TypeInt, Int: code})
		}
	}
	span := &traceql.Attribute{Scope: traceql.ScopeSpan, Name: name}
	resource := &traceql.Attribute{Scope: traceql.ScopeResource, Name: name}
	return &traceql.Binary{
		Op:  traceql.OpOr,
		LHS: compare(span, traceql.OpEq, text(value)),
		RHS: compare(resource, traceql.OpEq, text(value)),
	}
}

func compare(attr *traceql.Attribute, op traceql.Op, value *traceql.Literal) traceql.FieldExpr {
	return &traceql.Binary{Op: op, LHS: attr, RHS: value}
}

func text(s string) *traceql.Literal { return &traceql.Literal{Kind: traceql.TypeString, Str: s} }
