package read

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/grafana/tempo/pkg/api"
	"github.com/grafana/tempo/pkg/search"
	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/pkg/traceql"

	"appliance/internal/query"
)

// maxSpans is how many matching spans of a trace a search shows at most, as in Tempo.
const maxSpans = 100

// ErrTooMuch is among the missing where a bound of Options cut an answer.
var ErrTooMuch = errors.New("more than may be returned at once")

// Search returns the traces that match a TraceQL query, or tags, within the request's time range (Start and End, both 0: all time), at most Limit of
// them. The newest blocks are searched first; with the hint most_recent the result is the most recent traces
// of all, else whichever are found first. progress, which may be nil, is called after each block with what it has, one call at a time; its error ends
// the search. The window's times are those of the request.
func (r *Reader) Search(ctx context.Context, tenant string, req *tempopb.SearchRequest, skip func(block string) bool, progress func(*tempopb.SearchResponse) error) (*tempopb.SearchResponse, []error, error) {
	asked := *req
	asked.Limit = min(cmp.Or(asked.Limit, query.DefaultLimit), query.MaxLimit)
	asked.SpansPerSpanSet = min(asked.SpansPerSpanSet, maxSpans)
	mostRecent := false
	if api.IsTraceQLQuery(&asked) {
		expr, _, _, _, _, err := traceql.Compile(asked.Query)
		if err != nil {
			return nil, nil, &RequestError{err}
		}
		mostRecent, _ = expr.Hints.GetBool(traceql.HintMostRecent, false)
	}
	blocks, missing, err := r.blocks(ctx, tenant, window{start: int64(asked.Start), end: int64(asked.End), skip: skip})
	if err != nil {
		return nil, nil, err
	}
	s := &searching{
		req: &asked, combined: traceql.NewMetadataCombiner(int(asked.Limit), mostRecent), progress: progress, left: r.options.MaxResultBytes,
		metrics: tempopb.SearchMetrics{TotalBlocks: uint32(len(blocks)), TotalJobs: uint32(len(blocks))},
	}
	unread, err := r.each(ctx, tenant, blocks, 1, s.block)
	if err != nil {
		return nil, nil, err
	}
	missing = append(missing[:len(missing):len(missing)], unread...)
	if s.left < 0 {
		missing = append(missing, fmt.Errorf("%w: %d bytes", ErrTooMuch, r.options.MaxResultBytes))
	}
	return &tempopb.SearchResponse{Traces: named(s.combined.Metadata()), Metrics: &s.metrics}, missing, nil
}

// searching is one search under way.
type searching struct {
	req      *tempopb.SearchRequest
	progress func(*tempopb.SearchResponse) error

	mu       sync.Mutex
	combined traceql.MetadataCombiner
	metrics  tempopb.SearchMetrics
	left     int // bytes of results
}

// block searches one block.
func (s *searching) block(ctx context.Context, b *block, open *openBlock) error {
	s.mu.Lock()
	enough := s.combined.IsCompleteFor(uint32(b.end + 1)) // those that come now are all older
	s.mu.Unlock()
	if enough {
		return errEnough
	}
	found, err := searchBlock(ctx, s.req, open)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []*tempopb.TraceSearchMetadata
	for _, t := range found.Traces {
		if s.combined.AddMetadata(t) {
			changed = append(changed, t)
			s.left -= t.Size()
		}
	}
	s.metrics.CompletedJobs++
	s.metrics.InspectedTraces += uint32(b.traces)
	if found.Metrics != nil {
		s.metrics.InspectedBytes += found.Metrics.InspectedBytes
	}
	if s.progress != nil {
		metrics := s.metrics
		if err := s.progress(&tempopb.SearchResponse{Traces: changed, Metrics: &metrics}); err != nil {
			return &abort{err}
		}
	}
	if s.left < 0 {
		return errEnough
	}
	return nil
}

func searchBlock(ctx context.Context, req *tempopb.SearchRequest, open *openBlock) (*tempopb.SearchResponse, error) {
	if !api.IsTraceQLQuery(req) {
		return open.Search(ctx, req, searchOptions())
	}
	return traceql.NewEngine().ExecuteSearch(ctx, req, open.fetcher())
}

// fetcher is the block as traceql wants it.
func (o *openBlock) fetcher() traceql.SpansetFetcher {
	return traceql.NewSpansetFetcherWrapper(func(ctx context.Context, req traceql.FetchSpansRequest) (traceql.FetchSpansResponse, error) {
		return o.Fetch(ctx, req, searchOptions())
	})
}

// named says of traces whose root is in no block what Tempo says.
func named(traces []*tempopb.TraceSearchMetadata) []*tempopb.TraceSearchMetadata {
	for _, t := range traces {
		if t.RootServiceName == "" {
			t.RootServiceName = search.RootSpanNotYetReceivedText
		}
	}
	return traces
}
