package readapi

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// separateSharedIDs gives a server span that shares its id with a client span,
// as Zipkin's do, an id of its own: the smallest number that no span of the
// trace has. It becomes a child of the client span, and the children of both
// become its own. Tempo does so, since a viewer needs each id once.
func separateSharedIDs(tr *tempopb.Trace) {
	clients := map[string]bool{}
	used := map[string]bool{}
	eachSpan(tr, func(s *trace.Span) {
		used[string(s.SpanId)] = true
		if s.Kind == trace.Span_SPAN_KIND_CLIENT {
			clients[string(s.SpanId)] = true
		}
	})
	if len(clients) == 0 {
		return
	}
	var servers []*trace.Span
	eachSpan(tr, func(s *trace.Span) {
		if s.Kind == trace.Span_SPAN_KIND_SERVER && clients[string(s.SpanId)] {
			servers = append(servers, s)
		}
	})
	slices.SortStableFunc(servers, func(a, b *trace.Span) int {
		return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano)
	})
	shared := make([][]byte, len(servers)) // the ids that they had
	renamed := map[string][]byte{}
	next := uint64(0)
	for i, s := range servers {
		var id []byte
		for id == nil || used[string(id)] {
			next++
			id = binary.BigEndian.AppendUint64(nil, next)
		}
		shared[i] = s.SpanId
		renamed[string(shared[i])] = id
		s.SpanId = id
	}
	if len(servers) == 0 {
		return
	}
	eachSpan(tr, func(s *trace.Span) {
		if id := renamed[string(s.ParentSpanId)]; id != nil {
			s.ParentSpanId = id
		}
	})
	for i, s := range servers {
		s.ParentSpanId = shared[i]
	}
}

func eachSpan(tr *tempopb.Trace, do func(*trace.Span)) {
	for _, rs := range tr.GetResourceSpans() {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				do(s)
			}
		}
	}
}
