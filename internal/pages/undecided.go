package pages

import (
	"fmt"
	"slices"

	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
	resource "github.com/grafana/tempo/pkg/tempopb/resource/v1"

	"appliance/internal/live"
	"appliance/internal/traceql"
)

// asking is the query of a search. Where there may be undecided spans it asks
// for the mark of each span as well.
func (h *Handler) asking(query *traceql.Query) *traceql.Query {
	if h.Undecided == nil || query.Spans == nil || !h.Undecided() {
		return query
	}
	mark := &traceql.Select{Attrs: []*traceql.Attribute{{Scope: traceql.ScopeResource, Name: live.UndecidedKey}}}
	with := *query
	with.Spans = &traceql.Pipeline{Stages: append(slices.Clip(query.Spans.Stages), mark)}
	return &with
}

// foundUndecided says whether a span that matched is undecided.
func foundUndecided(t *traceql.FoundTrace) bool {
	for _, set := range t.SpanSets {
		for _, s := range set.Spans {
			for _, a := range s.Attributes {
				if a.Name == live.UndecidedKey && slices.Contains(a.Value, traceql.BoolValue(true)) {
					return true
				}
			}
		}
	}
	return false
}

// undecided says of how many spans it is not known yet whether they are kept.
func (l *located) undecided() string {
	waiting := map[*resource.Resource]bool{}
	spans := 0
	for _, n := range l.lines {
		mark, known := waiting[n.Resource]
		if !known {
			mark = isUndecided(n.Resource.GetAttributes())
			waiting[n.Resource] = mark
		}
		if mark {
			spans++
		}
	}
	const later = "Load the page again after tail.decision_wait."
	switch spans {
	case 0:
		return ""
	case len(l.lines):
		return "Tail rules have not decided on it yet, and may leave it out. " + later
	}
	return fmt.Sprintf("Tail rules have not decided on %s of it yet, and may leave them out. ",
		several(int64(spans), "span")) + later
}

func isUndecided(attributes []*common.KeyValue) bool {
	for _, kv := range attributes {
		if kv.Key == live.UndecidedKey {
			return kv.Value.GetBoolValue()
		}
	}
	return false
}
