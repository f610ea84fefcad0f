package tempo

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"appliance/internal/readapi"
	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
)

// scopes are those of attributes.
var scopes = []traceql.Scope{
	traceql.ScopeSpan, traceql.ScopeResource, traceql.ScopeEvent, traceql.ScopeLink,
	traceql.ScopeInstrumentation,
}

// Tags returns the keys of attributes that Tempo knows.
func (e *Engine) Tags(
	ctx context.Context, r readapi.TagsRequest,
) (*readapi.TagsAnswer, error) {
	q := url.Values{}
	if r.Scope != traceql.ScopeNone {
		q.Set("scope", r.Scope.String())
	}
	setTags(q, r.Query, r.Range, r.Limit)
	resp := &tempopb.SearchTagsV2Response{}
	if err := e.get(ctx, r.Tenant, "/api/v2/search/tags", q, resp); err != nil {
		return nil, judge(err)
	}
	answer := &readapi.TagsAnswer{Keys: map[traceql.Scope][]string{}}
	for _, s := range resp.Scopes {
		i := slices.IndexFunc(scopes, func(scope traceql.Scope) bool { return scope.String() == s.Name })
		if i < 0 {
			continue // intrinsics, and what newer versions have
		}
		keys := slices.Sorted(slices.Values(s.Tags))
		if r.Limit > 0 {
			keys = keys[:min(len(keys), r.Limit)]
		}
		answer.Keys[scopes[i]] = keys
	}
	return answer, nil
}

// TagValues returns the values of an attribute that Tempo knows.
func (e *Engine) TagValues(
	ctx context.Context, r readapi.TagValuesRequest,
) (*readapi.TagValuesAnswer, error) {
	q := url.Values{}
	setTags(q, r.Query, r.Range, r.Limit)
	path := "/api/v2/search/tag/" + url.PathEscape(r.Attribute.Label()) + "/values"
	resp := &tempopb.SearchTagValuesV2Response{}
	if err := e.get(ctx, r.Tenant, path, q, resp); err != nil {
		return nil, judge(err)
	}
	answer := &readapi.TagValuesAnswer{}
	seen := map[traceql.Value]bool{}
	for _, v := range resp.TagValues {
		value := tagValue(r.Attribute.Intrinsic, v)
		if seen[value] || r.Limit > 0 && len(seen) == r.Limit {
			continue
		}
		seen[value] = true
		answer.Values = append(answer.Values, value)
	}
	return answer, nil
}

func setTags(q url.Values, query *traceql.Query, r readapi.Range, limit int) {
	if filter := tagFilter(query); filter != "" {
		q.Set("q", filter)
	}
	setRange(q, r)
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
}

// tagFilter prints one filter of comparisons that && joins. Tempo does not parse
// it but looks for comparisons in the text, and knows no other quotes than ".
func tagFilter(query *traceql.Query) string {
	if query == nil || query.Spans == nil || len(query.Spans.Stages) != 1 {
		return ""
	}
	filter, ok := query.Spans.Stages[0].(*traceql.Filter)
	if !ok || filter.Expr == nil {
		return ""
	}
	return "{ " + strings.Join(comparisons(filter.Expr), " && ") + " }"
}

func comparisons(x traceql.FieldExpr) []string {
	b, ok := x.(*traceql.Binary)
	if !ok {
		return []string{x.String()}
	}
	if b.Op == traceql.OpAnd {
		return append(comparisons(b.LHS), comparisons(b.RHS)...)
	}
	value := b.RHS.String()
	if text, ok := b.RHS.(*traceql.Literal); ok && text.Kind == traceql.TypeString {
		value = strconv.Quote(text.Str)
	}
	return []string{b.LHS.String() + " " + b.Op.String() + " " + value}
}

// tagValue reads a value by its type. Some versions of Tempo name the statuses
// and kinds of old blocks by number.
func tagValue(of traceql.Intrinsic, v *tempopb.TagValue) traceql.Value {
	switch of {
	case traceql.IntrinsicStatus:
		if value, ok := keyword(traceql.TypeStatus, 3, v.Value); ok {
			return value
		}
	case traceql.IntrinsicKind:
		if value, ok := keyword(traceql.TypeKind, 6, v.Value); ok {
			return value
		}
	}
	switch v.Type {
	case "int":
		if n, err := strconv.ParseInt(v.Value, 10, 64); err == nil {
			return traceql.IntValue(n)
		}
	case "float":
		// An infinity has a point too: +Inf.0.
		if f, err := strconv.ParseFloat(strings.TrimSuffix(v.Value, ".0"), 64); err == nil {
			return traceql.FloatValue(f)
		}
	case "bool":
		if b, err := strconv.ParseBool(v.Value); err == nil {
			return traceql.BoolValue(b)
		}
	case "duration":
		if d, err := traceql.ParseDuration(v.Value); err == nil {
			return traceql.DurationValue(int64(d))
		}
	}
	return traceql.StringValue(v.Value)
}

// keyword finds the one of n values of a type that a text names.
func keyword(of traceql.Type, n int64, text string) (traceql.Value, bool) {
	for i := range n {
		value := traceql.Value{Type: of, Num: i}
		if strings.EqualFold(value.String(), text) || strconv.FormatInt(i, 10) == text {
			return value, true
		}
	}
	return traceql.Value{}, false
}
