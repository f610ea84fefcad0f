package readapi

import (
	"time"

	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
)

// Search streams the traces of a search as they are found, and all of them at
// the end. It goes on for as long as its client wants.
func (s streamer) Search(asked *tempopb.SearchRequest, to tempopb.StreamingQuerier_SearchServer) error {
	tenant, err := s.tenantOfStream(to)
	if err != nil {
		return err
	}
	if asked.MaxDurationMs != 0 && asked.MaxDurationMs < asked.MinDurationMs {
		return badRequest("invalid maxDuration: must be greater than minDuration")
	}
	req, shape, err := s.searchRequest(tenant, asked)
	if err != nil {
		return err
	}
	answer, err := s.Engine.Search(to.Context(), req, func(traces []*traceql.FoundTrace) error {
		return to.Send(shape.response(traces))
	})
	if err != nil {
		return err
	}
	markTrailer(to, answer.Missing)
	return to.Send(shape.response(answer.Traces))
}

// SearchTags answers with the names of tags in one message.
func (s streamer) SearchTags(asked *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsServer) error {
	ctx, tenant, end, err := s.begin(to)
	if err != nil {
		return err
	}
	defer end()
	answer, err := s.askTags(ctx, tenant, asked)
	if err != nil {
		return err
	}
	resp := tagNames(asked.Scope, answer)
	markTrailer(to, answer.Missing)
	return to.Send(resp)
}

// SearchTagsV2 answers with the names of tags by scope in one message.
func (s streamer) SearchTagsV2(asked *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsV2Server) error {
	ctx, tenant, end, err := s.begin(to)
	if err != nil {
		return err
	}
	defer end()
	answer, err := s.askTags(ctx, tenant, asked)
	if err != nil {
		return err
	}
	resp := tagScopesOf(asked.Scope, answer)
	markTrailer(to, answer.Missing)
	return to.Send(resp)
}

// SearchTagValues answers with the values of a tag in one message.
func (s streamer) SearchTagValues(asked *tempopb.SearchTagValuesRequest, to tempopb.StreamingQuerier_SearchTagValuesServer) error {
	ctx, tenant, end, err := s.begin(to)
	if err != nil {
		return err
	}
	defer end()
	answer, err := s.askTagValues(ctx, tenant, asked, false)
	if err != nil {
		return err
	}
	resp := plainValues(answer)
	markTrailer(to, answer.Missing)
	return to.Send(resp)
}

// SearchTagValuesV2 answers with the typed values of a tag in one message.
func (s streamer) SearchTagValuesV2(asked *tempopb.SearchTagValuesRequest, to tempopb.StreamingQuerier_SearchTagValuesV2Server) error {
	ctx, tenant, end, err := s.begin(to)
	if err != nil {
		return err
	}
	defer end()
	answer, err := s.askTagValues(ctx, tenant, asked, true)
	if err != nil {
		return err
	}
	resp := typedValues(answer)
	markTrailer(to, answer.Missing)
	return to.Send(resp)
}

// MetricsQueryRange answers with series in one message. Without a step a range
// has no points, and the answer is empty, as in Tempo.
func (s streamer) MetricsQueryRange(asked *tempopb.QueryRangeRequest, to tempopb.StreamingQuerier_MetricsQueryRangeServer) error {
	ctx, tenant, end, err := s.begin(to)
	if err != nil {
		return err
	}
	defer end()
	req, err := s.metricsRequest(tenant, asked)
	if err != nil {
		return asTempo(err)
	}
	if req.Step <= 0 {
		return to.Send(&tempopb.QueryRangeResponse{})
	}
	answer, err := s.Engine.Metrics(ctx, req)
	if err != nil {
		return err
	}
	markTrailer(to, answer.Missing)
	return to.Send(rangeResponse(answer))
}

// MetricsQueryInstant answers with one value for each series.
func (s streamer) MetricsQueryInstant(asked *tempopb.QueryInstantRequest, to tempopb.StreamingQuerier_MetricsQueryInstantServer) error {
	ctx, tenant, end, err := s.begin(to)
	if err != nil {
		return err
	}
	defer end()
	if asked.End == 0 {
		asked.End = uint64(time.Now().UnixNano())
	}
	req, err := s.metricsRequest(tenant, &tempopb.QueryRangeRequest{
		Query: asked.Query, Start: asked.Start, End: asked.End, Exemplars: maxExemplars,
	})
	if err != nil {
		return asTempo(err)
	}
	answer, err := s.Engine.Metrics(ctx, req)
	if err != nil {
		return err
	}
	markTrailer(to, answer.Missing)
	return to.Send(instantResponse(answer))
}
