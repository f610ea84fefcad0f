package tempo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"appliance/internal/readapi"

	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// Trace returns the spans of both, each once. That there is none is said only
// where both were asked.
func (b *both) Trace(
	ctx context.Context, r readapi.TraceRequest,
) (*readapi.TraceAnswer, error) {
	got, err := askBoth(ctx, r, b, readapi.Engine.Trace)
	if err != nil {
		return nil, err
	}
	answer := &readapi.TraceAnswer{
		Missing: got.missing(func(a *readapi.TraceAnswer) readapi.Missing { return a.Missing }),
	}
	switch {
	case got.remoteErr != nil:
		answer.Trace = got.archived.Trace
	case got.archivedErr != nil:
		answer.Trace = got.remote.Trace
	default:
		answer.Trace = union(got.remote.Trace, got.archived.Trace)
		return answer, nil
	}
	if answer.Trace == nil {
		if isBad(got.remoteErr) {
			return nil, got.remoteErr
		}
		return nil, fmt.Errorf("%w: the trace was not found, but not everything could be "+
			"searched: %s", readapi.ErrUnavailable, strings.Join(answer.Missing, "; "))
	}
	return answer, nil
}

// spanKey tells spans apart. A client and a server span may share their id, and
// a span that was sent twice may have changed in between.
type spanKey struct {
	id         string
	kind       trace.Span_SpanKind
	name       string
	start, end uint64
}

func keyOf(s *trace.Span) spanKey {
	return spanKey{string(s.SpanId), s.Kind, s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano}
}

// union adds to a trace of Tempo's the spans that only the archive has.
func union(remote, archived *tempopb.Trace) *tempopb.Trace {
	if len(remote.GetResourceSpans()) == 0 {
		return archived
	}
	if archived == nil {
		return remote
	}
	known := renamedBy(remote)
	for _, rs := range archived.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			ss.Spans = slices.DeleteFunc(ss.Spans, known.has)
		}
		rs.ScopeSpans = slices.DeleteFunc(rs.ScopeSpans, func(ss *trace.ScopeSpans) bool {
			return len(ss.Spans) == 0
		})
		if len(rs.ScopeSpans) > 0 {
			remote.ResourceSpans = append(remote.ResourceSpans, rs)
		}
	}
	eachSpan(archived, known.adopt)
	return remote
}

// renames is what Tempo has of a trace. It gives a server span that shares its
// id with a client span, as Zipkin's do, an id of its own, makes it a child of
// the client span, and the children of both become its own.
type renames struct {
	spans   map[spanKey]bool
	clients map[string]bool
	servers map[spanKey]string // by what they were before: their ids
	newID   map[string]string  // of the server span, by the shared one
}

func renamedBy(remote *tempopb.Trace) *renames {
	r := &renames{map[spanKey]bool{}, map[string]bool{}, map[spanKey]string{}, map[string]string{}}
	eachSpan(remote, func(s *trace.Span) {
		r.spans[keyOf(s)] = true
		if s.Kind == trace.Span_SPAN_KIND_CLIENT {
			r.clients[string(s.SpanId)] = true
		}
	})
	eachSpan(remote, func(s *trace.Span) {
		if s.Kind == trace.Span_SPAN_KIND_SERVER && r.clients[string(s.ParentSpanId)] {
			before := keyOf(s)
			before.id = string(s.ParentSpanId)
			r.servers[before] = string(s.SpanId)
		}
	})
	return r
}

// has says whether Tempo has a span of the archive, under whichever id.
func (r *renames) has(s *trace.Span) bool {
	if renamed, ok := r.servers[keyOf(s)]; ok {
		r.newID[string(s.SpanId)] = renamed
		return true
	}
	return r.spans[keyOf(s)]
}

// adopt makes a span of the archive a child of what its parent is now. It is
// called when has was asked about all of them.
func (r *renames) adopt(s *trace.Span) {
	if id, ok := r.newID[string(s.ParentSpanId)]; ok {
		s.ParentSpanId = []byte(id)
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
