package query

import (
	"context"
	"net/http"

	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/modules/frontend/combiner"
	"github.com/grafana/tempo/pkg/api"
	"github.com/grafana/tempo/pkg/tempopb"
)

// maxTagBytes bounds a list of tags or values, as in Tempo.
const maxTagBytes = 10 << 20

// tags answers for the names of attributes.
func (h *Handler) tags(w http.ResponseWriter, r *http.Request) {
	h.tagNames(w, r, func(tenant string, asked period, req *tempopb.SearchTagsRequest) {
		merge(h, w, r, tenant, asked, func(ctx context.Context, skip func(string) bool) (*tempopb.SearchTagsResponse, []error, error) {
			return h.archive.SearchTags(ctx, tenant, req, skip)
		}, combiner.NewTypedSearchTags(maxTagBytes, req.MaxTagsPerScope, req.StaleValuesThreshold))
	})
}

// tagsV2 answers for the names of attributes by scope.
func (h *Handler) tagsV2(w http.ResponseWriter, r *http.Request) {
	h.tagNames(w, r, func(tenant string, asked period, req *tempopb.SearchTagsRequest) {
		merge(h, w, r, tenant, asked, func(ctx context.Context, skip func(string) bool) (*tempopb.SearchTagsV2Response, []error, error) {
			return h.archive.SearchTagsV2(ctx, tenant, req, skip)
		}, combiner.NewTypedSearchTagsV2(maxTagBytes, req.MaxTagsPerScope, req.StaleValuesThreshold))
	})
}

func (h *Handler) tagNames(w http.ResponseWriter, r *http.Request, ask func(string, period, *tempopb.SearchTagsRequest)) {
	tenant, ok := h.archivedTenant(w, r)
	if !ok {
		return
	}
	req, err := api.ParseSearchTagsRequest(r)
	if err != nil {
		h.pass(w, r) // Tempo says what is wrong with it
		return
	}
	ranged := *req
	ranged.Start, ranged.End = recent(req.Start, req.End)
	ask(tenant, req, &ranged)
}

// tagValues answers for the values of an attribute.
func (h *Handler) tagValues(w http.ResponseWriter, r *http.Request) {
	h.values(w, r, func(tenant string, asked period, req *tempopb.SearchTagValuesRequest) {
		merge(h, w, r, tenant, asked, func(ctx context.Context, skip func(string) bool) (*tempopb.SearchTagValuesResponse, []error, error) {
			return h.archive.SearchTagValues(ctx, tenant, req, skip)
		}, combiner.NewTypedSearchTagValues(maxTagBytes, req.MaxTagValues, req.StaleValueThreshold))
	})
}

// tagValuesV2 answers for the values of an attribute with their types.
func (h *Handler) tagValuesV2(w http.ResponseWriter, r *http.Request) {
	h.values(w, r, func(tenant string, asked period, req *tempopb.SearchTagValuesRequest) {
		merge(h, w, r, tenant, asked, func(ctx context.Context, skip func(string) bool) (*tempopb.SearchTagValuesV2Response, []error, error) {
			return h.archive.SearchTagValuesV2(ctx, tenant, req, skip)
		}, combiner.NewTypedSearchTagValuesV2(maxTagBytes, req.MaxTagValues, req.StaleValueThreshold))
	})
}

func (h *Handler) values(w http.ResponseWriter, r *http.Request, ask func(string, period, *tempopb.SearchTagValuesRequest)) {
	tenant, ok := h.archivedTenant(w, r)
	if !ok {
		return
	}
	// Tempo's parser takes its path variables from another router; what it says of times is said by that of tags.
	times, err := api.ParseSearchTagsRequest(r)
	if err != nil {
		h.pass(w, r)
		return
	}
	req := &tempopb.SearchTagValuesRequest{TagName: r.PathValue("tag"), Query: r.URL.Query().Get("q")}
	req.Start, req.End = recent(times.Start, times.End)
	ask(tenant, times, req)
}

// merge answers with what Tempo and the archive have together, by a combiner of Tempo's own.
func merge[T interface {
	proto.Message
	*S
}, S any](h *Handler, w http.ResponseWriter, r *http.Request, tenant string, asked period, archived func(context.Context, func(string) bool) (T, []error, error), merged combiner.GRPCCombiner[T]) {
	answer(h, w, r, tenant, question[T]{
		asked:    asked,
		archived: archived,
		nothing:  func(T) bool { return false }, // whether a tag is new is found by merging
		decode: func(_ string, body []byte) (T, error) {
			resp := T(new(S))
			return resp, fromJSON(body, resp)
		},
		write: func(w http.ResponseWriter, parts []T, _ []error, _ bool) {
			for _, p := range parts {
				if err := merged.AddTypedResponse(p); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
			}
			resp, err := merged.GRPCFinal()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			writeJSON(w, resp)
		},
	})
}
