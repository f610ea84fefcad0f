package readapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"appliance/internal/traceql"

	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
)

// maxTagBytes bounds a list of tags or values, as in Tempo.
const maxTagBytes = 10 << 20

// intrinsicScope is the word for intrinsics among the scopes of tags.
const intrinsicScope = "intrinsic"

// intrinsicTags are those that Tempo offers.
var intrinsicTags = []string{
	"duration", "event:name", "event:timeSinceStart", "instrumentation:name",
	"instrumentation:version", "kind", "name", "rootName", "rootServiceName", "span:duration",
	"span:kind", "span:name", "span:status", "span:statusMessage", "status", "statusMessage",
	"trace:duration", "trace:rootName", "trace:rootService", "traceDuration",
}

// tagScopes are the scopes of attributes in the order of the answer.
var tagScopes = []traceql.Scope{
	traceql.ScopeSpan, traceql.ScopeResource, traceql.ScopeEvent, traceql.ScopeLink,
	traceql.ScopeInstrumentation,
}

func (h *Handler) tags(w http.ResponseWriter, r *http.Request) error {
	return answerTags(h, w, r, tagNames)
}

func (h *Handler) tagsV2(w http.ResponseWriter, r *http.Request) error {
	return answerTags(h, w, r, tagScopesOf)
}

func answerTags[T proto.Message](
	h *Handler, w http.ResponseWriter, r *http.Request, shape func(string, *TagsAnswer) T,
) error {
	asked, err := parseTagsRequest(r.URL.Query())
	if err != nil {
		return err
	}
	tenant, err := h.tenantOf(r)
	if err != nil {
		return err
	}
	leave, err := h.takeTurn(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	answer, err := h.askTags(r.Context(), tenant, asked)
	if err != nil {
		return err
	}
	resp := shape(asked.Scope, answer)
	return h.writeJSON(w, r, resp, answer.Missing)
}

func parseTagsRequest(q url.Values) (*tempopb.SearchTagsRequest, error) {
	times, err := rangeOf(q)
	if err != nil {
		return nil, err
	}
	return &tempopb.SearchTagsRequest{
		Scope: q.Get("scope"), Query: q.Get("q"), Start: times.Start, End: times.End,
		MaxTagsPerScope: uint32(min(bound(q, "limit"), 1<<30)),
	}, nil
}

// tagNames is the answer of the first version: all keys in one list, and the
// intrinsics if they are asked for.
func tagNames(scope string, answer *TagsAnswer) *tempopb.SearchTagsResponse {
	names := []string{}
	if scope == intrinsicScope {
		names = append(names, intrinsicTags...)
	}
	for _, keys := range answer.Keys {
		names = append(names, keys...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return &tempopb.SearchTagsResponse{
		TagNames: names[:fitting(names, &answer.Missing)], Metrics: &tempopb.MetadataMetrics{},
	}
}

// tagScopesOf is the answer of the second version: the keys of each scope that
// has any.
func tagScopesOf(scope string, answer *TagsAnswer) *tempopb.SearchTagsV2Response {
	resp := &tempopb.SearchTagsV2Response{
		Scopes: []*tempopb.SearchTagsV2Scope{}, Metrics: &tempopb.MetadataMetrics{},
	}
	for _, s := range tagScopes {
		if keys := answer.Keys[s]; len(keys) > 0 {
			resp.Scopes = append(resp.Scopes, &tempopb.SearchTagsV2Scope{
				Name: s.String(), Tags: keys[:fitting(keys, &answer.Missing)],
			})
		}
	}
	if scope == "" || scope == "none" || scope == intrinsicScope {
		resp.Scopes = append(resp.Scopes, &tempopb.SearchTagsV2Scope{
			Name: intrinsicScope, Tags: intrinsicTags,
		})
	}
	return resp
}

// fitting is how many of the texts fit into an answer.
func fitting(texts []string, missing *Missing) int {
	size := 0
	for i, s := range texts {
		if size += len(s); size > maxTagBytes {
			*missing = append(*missing, fmt.Sprintf("the list is longer than %d bytes", maxTagBytes))
			return i
		}
	}
	return len(texts)
}

// tagScope reads the scope of a request. ask is false where no attributes are
// asked for.
func tagScope(word string) (scope traceql.Scope, ask bool, err error) {
	switch word {
	case "", "none":
		return traceql.ScopeNone, true, nil
	case intrinsicScope:
		return traceql.ScopeNone, false, nil
	}
	for _, s := range tagScopes {
		if s.String() == word {
			return s, true, nil
		}
	}
	return traceql.ScopeNone, false, badRequest("invalid scope: %s", word)
}
