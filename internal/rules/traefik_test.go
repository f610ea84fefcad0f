package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// traefikRequest makes spans as Traefik 3.4 does: entry point, router,
// middlewares, service, the request that goes on.
func traefikRequest(ss ptrace.ScopeSpans, trace byte, path, service string) {
	id := byte(0)
	add := func(name string, kind ptrace.SpanKind, parent byte, attributes map[string]any) byte {
		id++
		s := ss.Spans().AppendEmpty()
		s.SetName(name)
		s.SetKind(kind)
		s.SetTraceID(pcommon.TraceID{trace})
		s.SetSpanID(pcommon.SpanID{trace, id})
		if parent > 0 {
			s.SetParentSpanID(pcommon.SpanID{trace, parent})
		}
		_ = s.Attributes().FromRaw(attributes)
		return id
	}
	entry := add("EntryPoint", ptrace.SpanKindServer, 0, map[string]any{"entry_point": "web", "url.path": path})
	metrics := add("Metrics", ptrace.SpanKindInternal, entry, map[string]any{"traefik.middleware.name": "metrics-entrypoint"})
	router := add("Router", ptrace.SpanKindInternal, metrics, map[string]any{"traefik.router.name": "r@file", "traefik.service.name": service})
	headers := add("Headers", ptrace.SpanKindInternal, router, map[string]any{"traefik.middleware.name": "h@file"})
	to := add("Service", ptrace.SpanKindInternal, headers, map[string]any{"traefik.service.name": service})
	add("ReverseProxy", ptrace.SpanKindClient, to, map[string]any{"url.full": "http://10.0.0.1" + path})
}

func TestTraefik(t *testing.T) {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName(traefikScope)
	traefikRequest(ss, 1, "/order", "shop@nomad")
	traefikRequest(ss, 2, "/ping", "ping@internal")
	traefikRequest(ss, 3, "/scrape", "prometheus@internal")
	internal := ss.Spans().AppendEmpty() // on the entry point traefik, without a router
	internal.SetName("EntryPoint")
	internal.SetTraceID(pcommon.TraceID{4})
	internal.SetSpanID(pcommon.SpanID{4})
	internal.Attributes().PutStr("entry_point", "traefik")
	internal.Attributes().PutStr("url.path", "/ping")
	theirs := rs.ScopeSpans().AppendEmpty() // somebody else's spans with the same attributes
	theirs.Scope().SetName("shop")
	traefikRequest(theirs, 5, "/ping", "ping@internal")
	behind := theirs.Spans().AppendEmpty() // what a service did for a request of Traefik's
	behind.SetName("behind")
	behind.SetTraceID(pcommon.TraceID{1})
	behind.SetSpanID(pcommon.SpanID{9})
	behind.SetParentSpanID(pcommon.SpanID{1, 4})

	got, counts := apply(t, mustNew(t, "preset traefik"), marshal(t, td))
	parents := map[string]string{}
	names := map[pcommon.SpanID]string{{}: "nothing"}
	for _, ss := range got.ResourceSpans().At(0).ScopeSpans().All() {
		for _, s := range ss.Spans().All() {
			if s.TraceID()[0] == 1 {
				names[s.SpanID()] = s.Name()
			}
		}
	}
	for _, ss := range got.ResourceSpans().At(0).ScopeSpans().All() {
		for _, s := range ss.Spans().All() {
			switch s.TraceID()[0] {
			case 1:
				parents[s.Name()] = names[s.ParentSpanID()]
			case 2, 3, 4:
				t.Errorf("%s of trace %d stays", s.Name(), s.TraceID()[0])
			}
		}
	}
	want := map[string]string{"EntryPoint": "nothing", "Router": "EntryPoint", "Service": "Router", "ReverseProxy": "Service", "behind": "Router"}
	if d := cmp.Diff(want, parents); d != "" {
		t.Error(d)
	}
	if n := got.ResourceSpans().At(0).ScopeSpans().At(1).Spans().Len(); n != 7 {
		t.Errorf("%d spans of another scope stay, want 7", n)
	}
	if counts.Dropped[0] != 2+6+6+1 {
		t.Errorf("counted %d dropped spans", counts.Dropped[0])
	}
}
