package readapi

import (
	"context"
	"time"

	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
)

// Search streams the traces of a search as they are found, and all of them at
// the end. It waits its turn, and then goes on for as long as its client wants.
func (s streamer) Search(
	asked *tempopb.SearchRequest, to tempopb.StreamingQuerier_SearchServer,
) error {
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
	waiting, cancel := context.WithTimeout(to.Context(), patience)
	defer cancel()
	leave, err := s.takeTurn(waiting)
	if err != nil {
		return err
	}
	defer leave()
	ctx, written := keeping(to.Context())
	defer written()
	answer, err := s.Engine.Search(ctx, req, func(traces []*traceql.FoundTrace) error {
		return shape.send(to, traces)
	})
	if err != nil {
		return err
	}
	markTrailer(to, answer.Missing)
	return shape.send(to, answer.Traces)
}

// messageBytes is about how much of a search is put into one message. There may be
// a hundred times as much, which would be in memory twice.
const messageBytes = 1 << 20

// send sends traces, in several messages if they are many, and in one if there are
// none.
func (s searchShape) send(
	to tempopb.StreamingQuerier_SearchServer, traces []*traceql.FoundTrace,
) error {
	resp, size := s.response(nil), 0
	for _, t := range traces {
		found := s.trace(t)
		n := found.Size()
		if size > 0 && size+n > messageBytes {
			if err := to.Send(resp); err != nil {
				return err
			}
			resp, size = s.response(nil), 0
		}
		resp.Traces, size = append(resp.Traces, found), size+n
	}
	return to.Send(resp)
}

// sender is a stream of answers.
type sender[T any] interface {
	grpc.ServerStream
	Send(T) error
}

// sendOne answers with one message, for which it waits its turn.
func sendOne[T any](
	s streamer, to sender[T], ask func(ctx context.Context, tenant string) (T, Missing, error),
) error {
	ctx, tenant, end, err := s.begin(to)
	if err != nil {
		return err
	}
	defer end()
	ctx, written := keeping(ctx)
	defer written()
	resp, missing, err := ask(ctx, tenant)
	if err != nil {
		return err
	}
	markTrailer(to, missing)
	return to.Send(resp)
}

// SearchTags answers with the names of tags.
func (s streamer) SearchTags(
	asked *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsServer,
) error {
	return sendOne(s, to, tagsAsked(s, asked, tagNames))
}

// SearchTagsV2 answers with the names of tags by scope.
func (s streamer) SearchTagsV2(
	asked *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsV2Server,
) error {
	return sendOne(s, to, tagsAsked(s, asked, tagScopesOf))
}

func tagsAsked[T any](
	s streamer, asked *tempopb.SearchTagsRequest, shape func(string, *TagsAnswer) T,
) func(context.Context, string) (T, Missing, error) {
	return func(ctx context.Context, tenant string) (resp T, missing Missing, err error) {
		answer, err := s.askTags(ctx, tenant, asked)
		if err != nil {
			return resp, nil, err
		}
		resp = shape(asked.Scope, answer)
		return resp, answer.Missing, nil
	}
}

// SearchTagValues answers with the values of a tag.
func (s streamer) SearchTagValues(
	asked *tempopb.SearchTagValuesRequest, to tempopb.StreamingQuerier_SearchTagValuesServer,
) error {
	return sendOne(s, to, valuesAsked(s, asked, false, plainValues))
}

// SearchTagValuesV2 answers with the typed values of a tag.
func (s streamer) SearchTagValuesV2(
	asked *tempopb.SearchTagValuesRequest, to tempopb.StreamingQuerier_SearchTagValuesV2Server,
) error {
	return sendOne(s, to, valuesAsked(s, asked, true, typedValues))
}

func valuesAsked[T any](
	s streamer, asked *tempopb.SearchTagValuesRequest, v2 bool, shape func(*TagValuesAnswer) T,
) func(context.Context, string) (T, Missing, error) {
	return func(ctx context.Context, tenant string) (resp T, missing Missing, err error) {
		answer, err := s.askTagValues(ctx, tenant, asked, v2)
		if err != nil {
			return resp, nil, err
		}
		resp = shape(answer)
		return resp, answer.Missing, nil
	}
}

// MetricsQueryRange answers with series. Without a step, as tempo-cli asks, it is
// that of a request over HTTP without one.
func (s streamer) MetricsQueryRange(
	asked *tempopb.QueryRangeRequest, to tempopb.StreamingQuerier_MetricsQueryRangeServer,
) error {
	return sendOne(s, to, func(
		ctx context.Context, tenant string,
	) (*tempopb.QueryRangeResponse, Missing, error) {
		req, err := s.metricsRequest(tenant, asked)
		if err != nil {
			return nil, nil, asTempo(err)
		}
		if req.Step <= 0 {
			req.Step = defaultStep(req.End - req.Start)
		}
		answer, err := s.Engine.Metrics(ctx, req)
		if err != nil {
			return nil, nil, err
		}
		return rangeResponse(answer), answer.Missing, nil
	})
}

// MetricsQueryInstant answers with one value for each series.
func (s streamer) MetricsQueryInstant(
	asked *tempopb.QueryInstantRequest, to tempopb.StreamingQuerier_MetricsQueryInstantServer,
) error {
	return sendOne(s, to, func(
		ctx context.Context, tenant string,
	) (*tempopb.QueryInstantResponse, Missing, error) {
		if asked.End == 0 {
			asked.End = uint64(time.Now().UnixNano())
		}
		req, err := s.metricsRequest(tenant, &tempopb.QueryRangeRequest{
			Query: asked.Query, Start: asked.Start, End: asked.End, Exemplars: maxExemplars,
		})
		if err != nil {
			return nil, nil, asTempo(err)
		}
		answer, err := s.Engine.Metrics(ctx, req)
		if err != nil {
			return nil, nil, err
		}
		return instantResponse(answer), answer.Missing, nil
	})
}
