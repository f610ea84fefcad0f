package readapi

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"appliance/internal/traceql"

	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
)

func (h *Handler) tagValues(w http.ResponseWriter, r *http.Request) error {
	return answerTagValues(h, w, r, false, plainValues)
}

func (h *Handler) tagValuesV2(w http.ResponseWriter, r *http.Request) error {
	return answerTagValues(h, w, r, true, typedValues)
}

func answerTagValues[T proto.Message](
	h *Handler, w http.ResponseWriter, r *http.Request, v2 bool, shape func(*TagValuesAnswer) T,
) error {
	asked, err := parseTagValuesRequest(r.PathValue("tag"), r.URL.Query())
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
	answer, err := h.askTagValues(r.Context(), tenant, asked, v2)
	if err != nil {
		return err
	}
	resp := shape(answer)
	return h.writeJSON(w, r, resp, answer.Missing)
}

func parseTagValuesRequest(name string, q url.Values) (*tempopb.SearchTagValuesRequest, error) {
	times, err := rangeOf(q)
	if err != nil {
		return nil, err
	}
	return &tempopb.SearchTagValuesRequest{
		TagName: name, Query: q.Get("q"), Start: times.Start, End: times.End,
		MaxTagValues: uint32(min(bound(q, "limit"), 1<<30)),
	}, nil
}

// plainValues is the answer of the first version: texts.
func plainValues(answer *TagValuesAnswer) *tempopb.SearchTagValuesResponse {
	texts := make([]string, len(answer.Values))
	for i, v := range answer.Values {
		texts[i] = v.String()
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	return &tempopb.SearchTagValuesResponse{
		TagValues: texts[:fitting(texts, &answer.Missing)], Metrics: &tempopb.MetadataMetrics{},
	}
}

// typedValues is the answer of the second version: texts with their types.
func typedValues(answer *TagValuesAnswer) *tempopb.SearchTagValuesV2Response {
	values := make([]*tempopb.TagValue, len(answer.Values))
	for i, v := range answer.Values {
		values[i] = tagValue(v)
	}
	slices.SortFunc(values, func(a, b *tempopb.TagValue) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
	})
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.Value
	}
	return &tempopb.SearchTagValuesV2Response{
		TagValues: values[:fitting(texts, &answer.Missing)], Metrics: &tempopb.MetadataMetrics{},
	}
}

// tagValue names a type as Tempo does: a keyword is written without quotes in a
// query, and a duration is an int of nanoseconds.
func tagValue(v traceql.Value) *tempopb.TagValue {
	out := &tempopb.TagValue{Type: "string", Value: v.String()}
	switch v.Type {
	case traceql.TypeInt:
		out.Type = "int"
	case traceql.TypeDuration:
		out.Type, out.Value = "int", strconv.FormatInt(v.Num, 10)
	case traceql.TypeFloat:
		out.Type = "float"
	case traceql.TypeBool:
		out.Type = "bool"
	case traceql.TypeStatus, traceql.TypeKind:
		out.Type = "keyword"
	}
	return out
}
