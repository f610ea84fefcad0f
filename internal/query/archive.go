package query

import (
	"context"
	"errors"
	"strings"

	"github.com/grafana/tempo/pkg/tempopb"
)

// An Archive answers for blocks that Tempo does not have any more.
//
// Its methods leave out the blocks for which skip returns true; skip may be nil. missing says what an answer lacks, such
// as a block that cannot be read. The error says that there is no answer; where it has a method BadRequest, the fault is
// the question's. Times are Unix seconds, and a start and end of 0 mean all time. The methods return soon after ctx ends.
type Archive interface {
	// FindTrace returns a trace; its Trace is nil where the archive has no span of it.
	FindTrace(ctx context.Context, tenant string, id []byte, start, end int64, skip func(block string) bool) (*tempopb.TraceByIDResponse, []error, error)
	// Search calls progress, which may be nil, with what it found in each block, one call at a time. What it is given may
	// change after the call.
	Search(ctx context.Context, tenant string, req *tempopb.SearchRequest, skip func(block string) bool, progress func(*tempopb.SearchResponse) error) (*tempopb.SearchResponse, []error, error)
	SearchTags(ctx context.Context, tenant string, req *tempopb.SearchTagsRequest, skip func(block string) bool) (*tempopb.SearchTagsResponse, []error, error)
	SearchTagsV2(ctx context.Context, tenant string, req *tempopb.SearchTagsRequest, skip func(block string) bool) (*tempopb.SearchTagsV2Response, []error, error)
	SearchTagValues(ctx context.Context, tenant string, req *tempopb.SearchTagValuesRequest, skip func(block string) bool) (*tempopb.SearchTagValuesResponse, []error, error)
	SearchTagValuesV2(ctx context.Context, tenant string, req *tempopb.SearchTagValuesRequest, skip func(block string) bool) (*tempopb.SearchTagValuesV2Response, []error, error)
	QueryRange(ctx context.Context, tenant string, req *tempopb.QueryRangeRequest, skip func(block string) bool) (*tempopb.QueryRangeResponse, []error, error)
}

// SingleTenant is the tenant of a Tempo that has no others.
const SingleTenant = "single-tenant"

// tenantOf says whose blocks a request is about.
func (h *Handler) tenantOf(orgID string) (string, error) {
	switch {
	case !h.multiTenant || orgID == "":
		return SingleTenant, nil
	case strings.Contains(orgID, "|"):
		return "", errors.New("the archive answers for one tenant at a time")
	}
	return orgID, nil
}
