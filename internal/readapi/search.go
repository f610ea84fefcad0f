package readapi

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
)

// defaultSpansPerSet is how many spans a span set has at most if the request
// says nothing, as in Tempo.
const defaultSpansPerSet = 3

// noRoot stands for the service of the root of a trace without one.
const noRoot = "<root span not yet received>"

func (h *Handler) search(w http.ResponseWriter, r *http.Request) error {
	asked, err := parseSearch(r.URL.Query())
	if err != nil {
		return err
	}
	tenant, err := h.tenantOf(r)
	if err != nil {
		return err
	}
	req, shape, err := h.searchRequest(tenant, asked)
	if err != nil {
		return err
	}
	leave, err := h.takeTurn(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	answer, err := h.Engine.Search(r.Context(), req, nil)
	if err != nil {
		return err
	}
	rest := shape.response(nil)
	rest.Traces = nil // writeList writes them
	return h.writeList(w, r, "traces", len(answer.Traces), func(w *jsonWriter, i int) {
		w.foundTrace(shape.trace(answer.Traces[i]))
	}, rest, answer.Missing)
}

// searchParameters are those of a search that do not name a tag.
var searchParameters = map[string]bool{
	"q": true, "tags": true, "minDuration": true, "maxDuration": true, "limit": true, "spss": true,
	"start": true, "end": true,
}

// parseSearch reads the parameters of a search. Without q and tags, each other
// parameter is a tag.
func parseSearch(q url.Values) (*tempopb.SearchRequest, error) {
	req := &tempopb.SearchRequest{Query: q.Get("q"), Tags: map[string]string{}}
	times, err := rangeOf(q)
	if err != nil {
		return nil, err
	}
	req.Start, req.End = times.Start, times.End
	if req.MinDurationMs, err = milliseconds(q, "minDuration"); err != nil {
		return nil, err
	}
	if req.MaxDurationMs, err = milliseconds(q, "maxDuration"); err != nil {
		return nil, err
	}
	if req.MaxDurationMs != 0 && req.MaxDurationMs < req.MinDurationMs {
		return nil, badRequest("invalid maxDuration: must be greater than minDuration")
	}
	limit, err := positive(q, "limit", DefaultLimit)
	if err != nil {
		return nil, err
	}
	req.Limit = uint32(min(limit, MaxLimit))
	spans, err := positive(q, "spss", defaultSpansPerSet)
	if q.Get("spss") == "0" {
		spans, err = MaxSpansPerSet, nil
	}
	if err != nil {
		return nil, err
	}
	req.SpansPerSpanSet = uint32(min(spans, 1<<30))
	return req, parseTags(q, req)
}

func parseTags(q url.Values, req *tempopb.SearchRequest) error {
	switch {
	case q.Has("tags") && req.Query != "":
		return badRequest("invalid request: can't specify tags and q in the same query")
	case q.Has("tags"):
		tags, err := parseLogfmt(q.Get("tags"))
		if err != nil {
			return badRequest("invalid tags: %v", err)
		}
		req.Tags = tags
	case req.Query == "":
		for name := range q {
			if !searchParameters[name] && q.Get(name) != "" {
				req.Tags[name] = q.Get(name)
			}
		}
	}
	return nil
}

// searchShape is how the answer of a search looks.
type searchShape struct {
	// traces alone, without span sets: a search by tags, or for everything
	tracesOnly bool
}

// searchRequest makes the engine's question of a request.
func (h *Handler) searchRequest(
	tenant string, asked *tempopb.SearchRequest,
) (SearchRequest, searchShape, error) {
	req := SearchRequest{
		Tenant:      tenant,
		Range:       Range{asked.Start, asked.End},
		Limit:       int(min(asked.Limit, MaxLimit)),
		SpansPerSet: int(asked.SpansPerSpanSet),
	}
	shape := searchShape{tracesOnly: asked.Query == ""}
	if req.Limit == 0 {
		req.Limit = DefaultLimit
	}
	if req.SpansPerSet == 0 {
		req.SpansPerSet = defaultSpansPerSet
	}
	if req.SpansPerSet > MaxSpansPerSet {
		return req, shape, badRequest("spans per span set exceeds %d. received %d",
			MaxSpansPerSet, asked.SpansPerSpanSet)
	}
	if err := req.Range.checkSearch(h.MaxSearchRange); err != nil {
		return req, shape, err
	}
	if !shape.tracesOnly {
		q, err := traceql.Parse(asked.Query)
		if err != nil {
			return req, shape, fmt.Errorf("invalid TraceQL query: %w", err)
		}
		req.Query = q
		return req, shape, nil
	}
	req.Query = tagQuery(asked.Tags)
	req.MinDuration = time.Duration(asked.MinDurationMs) * time.Millisecond
	req.MaxDuration = time.Duration(asked.MaxDurationMs) * time.Millisecond
	return req, shape, nil
}

// FoundMessage is a trace that TraceQL has found, as Tempo's search API says it.
func FoundMessage(t *traceql.FoundTrace) *tempopb.TraceSearchMetadata {
	return searchShape{}.trace(t)
}

func (s searchShape) response(traces []*traceql.FoundTrace) *tempopb.SearchResponse {
	out := &tempopb.SearchResponse{
		Traces:  make([]*tempopb.TraceSearchMetadata, 0, len(traces)),
		Metrics: &tempopb.SearchMetrics{},
	}
	for _, t := range traces {
		out.Traces = append(out.Traces, s.trace(t))
	}
	return out
}

func (s searchShape) trace(t *traceql.FoundTrace) *tempopb.TraceSearchMetadata {
	out := &tempopb.TraceSearchMetadata{
		TraceID:           shortID(t.ID),
		RootServiceName:   t.RootService,
		RootTraceName:     t.RootName,
		StartTimeUnixNano: t.Start,
		// A negative duration wraps around, as in Tempo.
		DurationMs: uint32(uint64(t.Duration) / uint64(time.Millisecond)),
	}
	if out.RootServiceName == "" {
		out.RootServiceName = noRoot
	}
	if s.tracesOnly {
		out.DurationMs = uint32(t.Duration / int64(time.Millisecond))
		return out
	}
	out.ServiceStats = make(map[string]*tempopb.ServiceStats, len(t.Services))
	for _, service := range t.Services {
		out.ServiceStats[service.Name] = &tempopb.ServiceStats{
			SpanCount: uint32(service.Spans), ErrorCount: uint32(service.Errors),
		}
	}
	for i := range t.SpanSets {
		out.SpanSets = append(out.SpanSets, spanSet(&t.SpanSets[i]))
	}
	if len(out.SpanSets) > 0 {
		out.SpanSet = out.SpanSets[0] // for clients of Tempo before 2.3
	}
	return out
}

func spanSet(s *traceql.FoundSpanSet) *tempopb.SpanSet {
	out := &tempopb.SpanSet{Matched: uint32(s.Matched), Attributes: keyValues(s.Attributes)}
	for i := range s.Spans {
		span := &s.Spans[i]
		out.Spans = append(out.Spans, &tempopb.Span{
			SpanID:            hex.EncodeToString(span.ID[:]),
			Name:              span.Name,
			StartTimeUnixNano: span.Start,
			DurationNanos:     span.Duration,
			Attributes:        keyValues(span.Attributes),
		})
	}
	return out
}

// shortID is a trace id as searches show it: without leading zeros.
func shortID(id [16]byte) string { return strings.TrimLeft(hex.EncodeToString(id[:]), "0") }
