package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/modules/frontend/combiner"
	"github.com/grafana/tempo/pkg/tempopb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// partialTrailer is PartialHeader as gRPC has it.
const partialTrailer = "appliance-partial"

var errFull = errors.New("as many as were asked for")

// Search streams the results of a search as they are found.
func (s *grpcServer) Search(req *tempopb.SearchRequest, to tempopb.StreamingQuerier_SearchServer) error {
	req.Limit = min(req.Limit, MaxLimit)
	req.Query = boundQuery(req.Query)
	if s.api.archive == nil {
		return receive(to.Context(), s, req, tempopb.StreamingQuerierClient.Search, to.Send)
	}
	var mu sync.Mutex
	asked := *req
	asked.Limit = cmp.Or(asked.Limit, DefaultLimit)
	merged := newSearchMerger(&asked)
	add := func(source int) func(*tempopb.SearchResponse) error {
		return func(resp *tempopb.SearchResponse) error {
			mu.Lock()
			defer mu.Unlock()
			changed := merged.add(source, resp)
			if err := to.Send(&tempopb.SearchResponse{Traces: changed, Metrics: merged.sum()}); err != nil {
				return err
			}
			if merged.full() {
				return errFull
			}
			return nil
		}
	}
	ranged := asked
	ranged.Start, ranged.End = recent(req.Start, req.End)
	round := 0
	// What is found is streamed at once, and a search goes on for as long as its client wants.
	_, err := s.both(to.Context(), to, req, false, func(ctx context.Context) error {
		return receive(ctx, s, req, tempopb.StreamingQuerierClient.Search, add(0))
	}, func(ctx context.Context, tenant string, skip func(string) bool) ([]error, error) {
		round++
		_, missing, err := s.api.archive.Search(ctx, tenant, &ranged, skip, add(round))
		return missing, err
	})
	if err != nil {
		return err
	}
	return to.Send(merged.all())
}

// SearchTags streams tag names.
func (s *grpcServer) SearchTags(req *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsServer) error {
	return mergeStream(s, req, to, tempopb.StreamingQuerierClient.SearchTags,
		func(ctx context.Context, tenant string, skip func(string) bool) (*tempopb.SearchTagsResponse, []error, error) {
			ranged := *req
			ranged.Start, ranged.End = recent(req.Start, req.End)
			return s.api.archive.SearchTags(ctx, tenant, &ranged, skip)
		}, combiner.NewTypedSearchTags(maxTagBytes, req.MaxTagsPerScope, req.StaleValuesThreshold))
}

// SearchTagsV2 streams tag names by scope.
func (s *grpcServer) SearchTagsV2(req *tempopb.SearchTagsRequest, to tempopb.StreamingQuerier_SearchTagsV2Server) error {
	return mergeStream(s, req, to, tempopb.StreamingQuerierClient.SearchTagsV2,
		func(ctx context.Context, tenant string, skip func(string) bool) (*tempopb.SearchTagsV2Response, []error, error) {
			ranged := *req
			ranged.Start, ranged.End = recent(req.Start, req.End)
			return s.api.archive.SearchTagsV2(ctx, tenant, &ranged, skip)
		}, combiner.NewTypedSearchTagsV2(maxTagBytes, req.MaxTagsPerScope, req.StaleValuesThreshold))
}

// SearchTagValues streams the values of a tag.
func (s *grpcServer) SearchTagValues(req *tempopb.SearchTagValuesRequest, to tempopb.StreamingQuerier_SearchTagValuesServer) error {
	return mergeStream(s, req, to, tempopb.StreamingQuerierClient.SearchTagValues,
		func(ctx context.Context, tenant string, skip func(string) bool) (*tempopb.SearchTagValuesResponse, []error, error) {
			ranged := *req
			ranged.Start, ranged.End = recent(req.Start, req.End)
			return s.api.archive.SearchTagValues(ctx, tenant, &ranged, skip)
		}, combiner.NewTypedSearchTagValues(maxTagBytes, req.MaxTagValues, req.StaleValueThreshold))
}

// SearchTagValuesV2 streams the typed values of a tag.
func (s *grpcServer) SearchTagValuesV2(req *tempopb.SearchTagValuesRequest, to tempopb.StreamingQuerier_SearchTagValuesV2Server) error {
	return mergeStream(s, req, to, tempopb.StreamingQuerierClient.SearchTagValuesV2,
		func(ctx context.Context, tenant string, skip func(string) bool) (*tempopb.SearchTagValuesV2Response, []error, error) {
			ranged := *req
			ranged.Start, ranged.End = recent(req.Start, req.End)
			return s.api.archive.SearchTagValuesV2(ctx, tenant, &ranged, skip)
		}, combiner.NewTypedSearchTagValuesV2(maxTagBytes, req.MaxTagValues, req.StaleValueThreshold))
}

// MetricsQueryRange streams a TraceQL metrics query over time.
func (s *grpcServer) MetricsQueryRange(req *tempopb.QueryRangeRequest, to tempopb.StreamingQuerier_MetricsQueryRangeServer) error {
	req.Exemplars = min(req.Exemplars, maxExemplars)
	req.Query = boundQuery(req.Query)
	if s.api.archive == nil {
		return receive(to.Context(), s, req, tempopb.StreamingQuerierClient.MetricsQueryRange, to.Send)
	}
	var live, archived *tempopb.QueryRangeResponse
	ctx, cancel := context.WithTimeout(to.Context(), patience)
	defer cancel()
	if err := takeTurn(ctx); err != nil {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	missing, err := s.both(ctx, to, nil, true, func(ctx context.Context) error {
		return receive(ctx, s, req, tempopb.StreamingQuerierClient.MetricsQueryRange, func(resp *tempopb.QueryRangeResponse) error {
			live = changed(live, resp)
			return nil
		})
	}, func(ctx context.Context, tenant string, _ func(string) bool) (missing []error, err error) {
		archived, missing, err = s.api.archive.QueryRange(ctx, tenant, req, nil)
		return missing, err
	})
	if err != nil {
		return err
	}
	parts := slices.DeleteFunc([]*tempopb.QueryRangeResponse{live, archived}, func(r *tempopb.QueryRangeResponse) bool { return r == nil })
	joined, err := joinSeries(parts, missing)
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	return to.Send(joined)
}

// mergeStream answers with one message of what Tempo and the archive have together.
func mergeStream[Req, Resp any, T interface {
	proto.Message
	*Resp
}, From interface{ Recv() (*Resp, error) }](
	s *grpcServer, req *Req, to interface {
		grpc.ServerStream
		Send(T) error
	},
	open opener[Req, From], archived func(context.Context, string, func(string) bool) (T, []error, error), merged combiner.GRPCCombiner[T],
) error {
	if s.api.archive == nil {
		return receive(to.Context(), s, req, open, func(resp *Resp) error { return to.Send(T(resp)) })
	}
	ctx, cancel := context.WithTimeout(to.Context(), patience)
	defer cancel()
	if err := takeTurn(ctx); err != nil {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	_, err := s.both(ctx, to, any(req).(period), false, func(ctx context.Context) error {
		return receive(ctx, s, req, open, func(resp *Resp) error { return merged.AddTypedResponse(T(resp)) })
	}, func(ctx context.Context, tenant string, skip func(string) bool) ([]error, error) {
		resp, missing, err := archived(ctx, tenant, skip)
		if err != nil {
			return nil, err
		}
		return missing, merged.AddTypedResponse(resp)
	})
	if err != nil {
		return err
	}
	resp, err := merged.GRPCFinal()
	if err != nil {
		return err
	}
	return to.Send(resp)
}

// both asks Tempo and the archive at the same time. Its error is that of a question that cannot be answered, or that
// neither of them answers; what is missing otherwise, such as what was not answered before ctx ended, is in the trailer too.
// ours says that what Tempo refuses may still be a question for the archive; asked is as in question.
func (s *grpcServer) both(ctx context.Context, to grpc.ServerStream, asked period, ours bool, live func(context.Context) error, archived func(context.Context, string, func(string) bool) ([]error, error)) (missing []error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, _ := metadata.FromIncomingContext(ctx)
	tenant, err := s.api.tenantOf(cmp.Or(append(in.Get("x-scope-orgid"), "")...))
	if err != nil {
		to.SetTrailer(metadata.Pairs(partialTrailer, inALine([]error{err})))
		return []error{err}, enough(live(ctx))
	}
	held := s.api.heldBy(tenant, asked)
	liveErr := make(chan error, 1)
	go func() {
		err := s.safely(func() error { return live(ctx) })
		if errors.Is(err, errFull) || isRefusal(err) && !ours {
			cancel() // what the archive has is not wanted any more
		}
		liveErr <- err
	}()
	missing, archiveErr := archived(ctx, tenant, held)
	if errors.Is(archiveErr, errFull) {
		cancel()
		<-liveErr
		return nil, nil
	}
	tempoErr := <-liveErr
	switch {
	case errors.Is(tempoErr, errFull):
		return nil, nil
	case isRefusal(tempoErr) && (!ours || archiveErr != nil) || to.Context().Err() != nil:
		return nil, tempoErr
	case tempoErr != nil && archiveErr != nil:
		return nil, s.neither(tempoErr, archiveErr)
	case tempoErr != nil:
		s.api.logger.Warn("read API answers from the archive alone, since tempo does not", "err", tempoErr)
		missing = append(missing, fmt.Errorf("tempo does not answer: %w", tempoErr))
		if held != nil && !ours { // nobody has answered for those
			var unread []error
			unread, archiveErr = archived(ctx, tenant, func(block string) bool { return !held(block) })
			missing = append(missing, unread...)
		}
	}
	if archiveErr != nil && !errors.Is(archiveErr, errFull) {
		s.api.logger.Warn("read API answers without the archive", "err", archiveErr)
		missing = append(missing, fmt.Errorf("the archive does not answer: %w", archiveErr))
	}
	if len(missing) > 0 {
		to.SetTrailer(metadata.Pairs(partialTrailer, inALine(missing)))
	}
	return missing, nil
}

// enough makes errFull the success that it is.
func enough(err error) error {
	if errors.Is(err, errFull) {
		return nil
	}
	return err
}

// isRefusal says that Tempo is there and does not accept the question.
func isRefusal(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.OutOfRange, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated:
		return true
	}
	return false
}

// neither says that neither of the two answers.
func (s *grpcServer) neither(tempoErr, archiveErr error) error {
	var bad interface {
		error
		BadRequest()
	}
	if errors.As(archiveErr, &bad) {
		return status.Error(codes.InvalidArgument, bad.Error())
	}
	s.api.logger.Warn("read API reaches neither tempo nor the archive", "err", errors.Join(tempoErr, archiveErr))
	return status.Error(codes.Unavailable, fmt.Sprintf("tempo does not answer: %v; nor does the archive: %v", tempoErr, archiveErr))
}
