package query

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/grafana/tempo/pkg/api"
	"github.com/grafana/tempo/pkg/search"
	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/pkg/traceql"
)

// search answers a search.
func (h *Handler) search(w http.ResponseWriter, r *http.Request) {
	tenant, ok := h.archivedTenant(w, r)
	if !ok {
		return
	}
	bounded := r.Clone(r.Context())
	bounded.URL.RawQuery = bound(r.URL.Query()).Encode()
	req, err := api.ParseSearchRequest(bounded)
	if err != nil {
		h.pass(w, r) // Tempo says what is wrong with it
		return
	}
	req.Limit = cmp.Or(req.Limit, DefaultLimit)
	ranged := *req
	ranged.Start, ranged.End = recent(req.Start, req.End)
	answer(h, w, r, tenant, question[*tempopb.SearchResponse]{
		asked: req,
		archived: func(ctx context.Context, skip func(string) bool) (*tempopb.SearchResponse, []error, error) {
			return h.archive.Search(ctx, tenant, &ranged, skip, nil)
		},
		nothing: func(resp *tempopb.SearchResponse) bool { return len(resp.Traces) == 0 },
		decode: func(_ string, body []byte) (*tempopb.SearchResponse, error) {
			resp := &tempopb.SearchResponse{}
			return resp, fromJSON(body, resp)
		},
		write: func(w http.ResponseWriter, parts []*tempopb.SearchResponse, _ []error, _ bool) {
			merged := newSearchMerger(req)
			for i, p := range parts {
				merged.add(i, p)
			}
			writeJSON(w, merged.all())
		},
	})
}

// recent is the range of a request that names none: Tempo looks into what came lately only, and so does the archive.
func recent(start, end uint32) (uint32, uint32) {
	if end != 0 {
		return start, end
	}
	now := time.Now()
	return cmp.Or(start, uint32(now.Add(-time.Hour).Unix())), uint32(now.Unix())
}

// searchMerger puts the results of several searches together.
type searchMerger struct {
	combined traceql.MetadataCombiner
	metrics  map[int]*tempopb.SearchMetrics // the latest of each source
}

func newSearchMerger(req *tempopb.SearchRequest) *searchMerger {
	mostRecent := false
	if expr, err := traceql.Parse(req.Query); err == nil {
		mostRecent, _ = expr.Hints.GetBool(traceql.HintMostRecent, false)
	}
	return &searchMerger{combined: traceql.NewMetadataCombiner(int(min(req.Limit, MaxLimit)), mostRecent), metrics: map[int]*tempopb.SearchMetrics{}}
}

// add takes what a source found, and its metrics in place of its earlier ones. It returns the traces that are new or
// have changed, as they are now.
func (m *searchMerger) add(source int, resp *tempopb.SearchResponse) []*tempopb.TraceSearchMetadata {
	if resp.Metrics != nil {
		m.metrics[source] = resp.Metrics
	}
	changed := map[string]bool{}
	for _, t := range resp.Traces {
		if t.RootServiceName == search.RootSpanNotYetReceivedText {
			t.RootServiceName = "" // another part of the trace may have its root
		}
		if m.combined.AddMetadata(t) {
			changed[t.TraceID] = true
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return slices.DeleteFunc(m.traces(), func(t *tempopb.TraceSearchMetadata) bool { return !changed[t.TraceID] })
}

// traces are all so far, the newest first.
func (m *searchMerger) traces() []*tempopb.TraceSearchMetadata {
	traces := slices.Clone(m.combined.Metadata())
	for i, t := range traces {
		if t.RootServiceName == "" {
			rootless := *t
			rootless.RootServiceName = search.RootSpanNotYetReceivedText
			traces[i] = &rootless
		}
	}
	return traces
}

// full says that there are as many as were asked for, and no later one can take the place of another.
func (m *searchMerger) full() bool { return m.combined.IsCompleteFor(traceql.TimestampNever) }

// sum is the metrics of all sources.
func (m *searchMerger) sum() *tempopb.SearchMetrics {
	sum := &tempopb.SearchMetrics{}
	for _, s := range m.metrics {
		sum.InspectedTraces += s.InspectedTraces
		sum.InspectedBytes += s.InspectedBytes
		sum.InspectedSpans += s.InspectedSpans
		sum.TotalBlocks += s.TotalBlocks
		sum.TotalBlockBytes += s.TotalBlockBytes
		sum.TotalJobs += s.TotalJobs
		sum.CompletedJobs += s.CompletedJobs
	}
	return sum
}

func (m *searchMerger) all() *tempopb.SearchResponse {
	return &tempopb.SearchResponse{Traces: m.traces(), Metrics: m.sum()}
}
