package readapi

import (
	"context"

	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
)

// askTags asks the engine for tags, over HTTP and gRPC alike.
func (h *Handler) askTags(
	ctx context.Context, tenant string, asked *tempopb.SearchTagsRequest,
) (*TagsAnswer, error) {
	req := TagsRequest{
		Tenant: tenant,
		Query:  traceql.ParseTagFilter(asked.Query),
		Range:  Range{asked.Start, asked.End},
		Limit:  int(asked.MaxTagsPerScope),
	}
	scope, ask, err := tagScope(asked.Scope)
	if err != nil {
		return nil, err
	}
	if err := req.Range.checkLength(h.MaxSearchRange); err != nil {
		return nil, err
	}
	if !ask {
		return &TagsAnswer{}, nil
	}
	req.Scope = scope
	return h.Engine.Tags(ctx, req)
}

// firstVersionTags are the intrinsics among the tags of the first version. All
// other names are attributes there.
var firstVersionTags = map[string]traceql.Intrinsic{
	"name":              traceql.IntrinsicName,
	"rootName":          traceql.IntrinsicRootName,
	"root.name":         traceql.IntrinsicRootName,
	"rootServiceName":   traceql.IntrinsicRootService,
	"root.service.name": traceql.IntrinsicRootService,
}

// askTagValues asks the engine for the values of a tag.
func (h *Handler) askTagValues(
	ctx context.Context, tenant string, asked *tempopb.SearchTagValuesRequest, v2 bool,
) (*TagValuesAnswer, error) {
	req := TagValuesRequest{
		Tenant: tenant,
		Range:  Range{asked.Start, asked.End},
		Limit:  int(asked.MaxTagValues),
	}
	if err := req.Range.checkLength(h.MaxSearchRange); err != nil {
		return nil, err
	}
	switch i, intrinsic := firstVersionTags[asked.TagName]; {
	case v2 && (asked.TagName == "parent" || asked.TagName == "childCount"):
		return &TagValuesAnswer{}, nil // words of the language that nothing has
	case v2:
		attr, err := traceql.ParseTag(asked.TagName)
		if err != nil {
			return nil, badRequest("please provide a valid tagName: %v", err)
		}
		req.Attribute = attr
	case intrinsic:
		req.Attribute = &traceql.Attribute{Intrinsic: i}
	default:
		req.Attribute = &traceql.Attribute{Name: asked.TagName}
	}
	// As in Tempo, the values of an attribute without a scope are not narrowed
	// down.
	if req.Attribute.Scope != traceql.ScopeNone || req.Attribute.Intrinsic != traceql.IntrinsicNone {
		req.Query = traceql.ParseTagFilter(asked.Query)
	}
	return h.Engine.TagValues(ctx, req)
}
