package read

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/grafana/tempo/pkg/api"
	"github.com/grafana/tempo/pkg/collector"
	"github.com/grafana/tempo/pkg/search"
	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/pkg/traceql"
)

// SearchTagsV2 returns the names of the attributes that spans of the request's time range have, by scope. A request
// with a query asks for those of spans that match it.
func (r *Reader) SearchTagsV2(ctx context.Context, tenant string, req *tempopb.SearchTagsRequest, skip func(block string) bool) (*tempopb.SearchTagsV2Response, []error, error) {
	names := collector.NewScopedDistinctString(r.options.MaxResultBytes, req.MaxTagsPerScope, req.StaleValuesThreshold)
	if req.Scope == "" || req.Scope == api.ParamScopeIntrinsic || req.Scope == traceql.AttributeScopeNone.String() {
		for _, name := range search.GetVirtualIntrinsicValues() {
			names.Collect(api.ParamScopeIntrinsic, name)
		}
	}
	resp, missing, err := r.tagNames(ctx, tenant, req, skip, names)
	if err != nil {
		return nil, nil, err
	}
	collected := names.Strings()
	for _, scope := range slices.Sorted(maps.Keys(collected)) {
		tags := collected[scope]
		slices.Sort(tags)
		resp.Scopes = append(resp.Scopes, &tempopb.SearchTagsV2Scope{Name: scope, Tags: tags})
	}
	return resp, missing, nil
}

// SearchTags returns the same without scopes, and intrinsics only where the request's scope says so, as Tempo does.
func (r *Reader) SearchTags(ctx context.Context, tenant string, req *tempopb.SearchTagsRequest, skip func(block string) bool) (*tempopb.SearchTagsResponse, []error, error) {
	scoped := *req
	if scoped.Scope == "" {
		scoped.Scope = traceql.AttributeScopeNone.String()
	}
	v2, missing, err := r.SearchTagsV2(ctx, tenant, &scoped, skip)
	if err != nil {
		return nil, nil, err
	}
	names := collector.NewDistinctString(r.options.MaxResultBytes, req.MaxTagsPerScope, req.StaleValuesThreshold)
	for _, s := range v2.Scopes {
		if s.Name == api.ParamScopeIntrinsic && req.Scope != api.ParamScopeIntrinsic {
			continue
		}
		for _, tag := range s.Tags {
			names.Collect(tag)
		}
	}
	return &tempopb.SearchTagsResponse{TagNames: names.Strings(), Metrics: v2.Metrics}, missing, nil
}

// tagNames collects from the blocks. Only the response's metrics are set.
func (r *Reader) tagNames(ctx context.Context, tenant string, req *tempopb.SearchTagsRequest, skip func(string) bool, names *collector.ScopedDistinctString) (*tempopb.SearchTagsV2Response, []error, error) {
	if req.Scope == api.ParamScopeIntrinsic {
		return &tempopb.SearchTagsV2Response{Metrics: &tempopb.MetadataMetrics{}}, nil, nil
	}
	scope := traceql.AttributeScopeFromString(req.Scope)
	if scope == traceql.AttributeScopeUnknown {
		return nil, nil, &RequestError{fmt.Errorf("unknown scope %q", req.Scope)}
	}
	blocks, missing, err := r.blocks(ctx, tenant, window{start: int64(req.Start), end: int64(req.End), skip: skip})
	if err != nil {
		return nil, nil, err
	}
	var inspected atomic.Uint64
	count := func(n uint64) { inspected.Add(n) }
	query := traceql.ExtractMatchers(req.Query)
	unread, err := r.each(ctx, tenant, blocks, 1, func(ctx context.Context, _ *block, open *openBlock) error {
		if names.Exceeded() {
			return errEnough
		}
		if traceql.IsEmptyQuery(query) {
			return open.SearchTags(ctx, scope, func(tag string, scope traceql.AttributeScope) { names.Collect(scope.String(), tag) }, count, searchOptions())
		}
		fetcher := traceql.NewTagNamesFetcherWrapper(func(ctx context.Context, req traceql.FetchTagsRequest, collect traceql.FetchTagsCallback) error {
			return open.FetchTagNames(ctx, req, collect, count, searchOptions())
		})
		return traceql.NewEngine().ExecuteTagNames(ctx, scope, query, func(tag string, scope traceql.AttributeScope) bool {
			return names.Collect(scope.String(), tag)
		}, fetcher)
	})
	missing = append(missing[:len(missing):len(missing)], unread...)
	if names.Exceeded() {
		missing = append(missing, tooMuch(names.StopReason()))
	}
	return &tempopb.SearchTagsV2Response{Metrics: &tempopb.MetadataMetrics{InspectedBytes: inspected.Load()}}, missing, err
}

// SearchTagValuesV2 returns the values that an attribute or intrinsic, such as span.http.method or name, has in the
// request's time range, with their types.
func (r *Reader) SearchTagValuesV2(ctx context.Context, tenant string, req *tempopb.SearchTagValuesRequest, skip func(block string) bool) (*tempopb.SearchTagValuesV2Response, []error, error) {
	tag, err := traceql.ParseIdentifier(req.TagName)
	if err != nil {
		return nil, nil, &RequestError{fmt.Errorf("parse the name of a tag: %w", err)}
	}
	values := collector.NewDistinctValue(r.options.MaxResultBytes, req.MaxTagValues, req.StaleValueThreshold,
		func(v tempopb.TagValue) int { return len(v.Type) + len(v.Value) })
	virtual := search.GetVirtualTagValuesV2(req.TagName)
	for _, v := range virtual {
		values.Collect(v)
	}
	resp := &tempopb.SearchTagValuesV2Response{Metrics: &tempopb.MetadataMetrics{}}
	var missing []error
	if virtual == nil {
		collect := traceql.MakeCollectTagValueFunc(values.Collect)
		query := traceql.ExtractMatchers(req.Query)
		resp.Metrics.InspectedBytes, missing, err = r.tagValues(ctx, tenant, req, skip, values.Exceeded, func(ctx context.Context, open *openBlock, count func(uint64)) error {
			if traceql.IsEmptyQuery(query) {
				return open.SearchTagValuesV2(ctx, tag, collect, count, searchOptions())
			}
			fetcher := traceql.NewTagValuesFetcherWrapper(func(ctx context.Context, req traceql.FetchTagValuesRequest, cb traceql.FetchTagValuesCallback) error {
				return open.FetchTagValues(ctx, req, cb, count, searchOptions())
			})
			return traceql.NewEngine().ExecuteTagValues(ctx, tag, query, collect, fetcher)
		})
		if err != nil {
			return nil, nil, err
		}
	}
	all := values.Values()
	slices.SortFunc(all, func(a, b tempopb.TagValue) int { return strings.Compare(a.Type+"\x00"+a.Value, b.Type+"\x00"+b.Value) })
	for i := range all {
		resp.TagValues = append(resp.TagValues, &all[i])
	}
	if values.Exceeded() {
		missing = append(missing, tooMuch(values.StopReason()))
	}
	return resp, missing, nil
}

// SearchTagValues returns the values of an attribute, whatever its scope, as text.
func (r *Reader) SearchTagValues(ctx context.Context, tenant string, req *tempopb.SearchTagValuesRequest, skip func(block string) bool) (*tempopb.SearchTagValuesResponse, []error, error) {
	values := collector.NewDistinctString(r.options.MaxResultBytes, req.MaxTagValues, req.StaleValueThreshold)
	for _, v := range search.GetVirtualTagValues(req.TagName) {
		values.Collect(v)
	}
	inspected, missing, err := r.tagValues(ctx, tenant, req, skip, values.Exceeded, func(ctx context.Context, open *openBlock, count func(uint64)) error {
		return open.SearchTagValues(ctx, req.TagName, values.Collect, count, searchOptions())
	})
	if err != nil {
		return nil, nil, err
	}
	if values.Exceeded() {
		missing = append(missing, tooMuch(values.StopReason()))
	}
	return &tempopb.SearchTagValuesResponse{TagValues: values.Strings(), Metrics: &tempopb.MetadataMetrics{InspectedBytes: inspected}}, missing, nil
}

// tagValues calls visit for each block of the request's time range until it is enough.
func (r *Reader) tagValues(ctx context.Context, tenant string, req *tempopb.SearchTagValuesRequest, skip func(string) bool, enough func() bool, visit func(context.Context, *openBlock, func(uint64)) error) (uint64, []error, error) {
	blocks, missing, err := r.blocks(ctx, tenant, window{start: int64(req.Start), end: int64(req.End), skip: skip})
	if err != nil {
		return 0, nil, err
	}
	var inspected atomic.Uint64
	unread, err := r.each(ctx, tenant, blocks, 1, func(ctx context.Context, _ *block, open *openBlock) error {
		if enough() {
			return errEnough
		}
		return visit(ctx, open, func(n uint64) { inspected.Add(n) })
	})
	return inspected.Load(), append(missing[:len(missing):len(missing)], unread...), err
}

func tooMuch(reason string) error { return fmt.Errorf("%w: %s", ErrTooMuch, reason) }
