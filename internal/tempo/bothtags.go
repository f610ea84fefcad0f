package tempo

import (
	"context"
	"slices"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// Tags returns the keys that either knows.
func (b *both) Tags(
	ctx context.Context, r readapi.TagsRequest,
) (*readapi.TagsAnswer, error) {
	got, err := askBoth(ctx, r, b, readapi.Engine.Tags)
	if err != nil {
		return nil, err
	}
	answer := &readapi.TagsAnswer{
		Keys:    map[traceql.Scope][]string{},
		Missing: got.missing(func(a *readapi.TagsAnswer) readapi.Missing { return a.Missing }),
	}
	for _, a := range []*readapi.TagsAnswer{got.remote, got.archived} {
		if a == nil {
			continue
		}
		for scope, keys := range a.Keys {
			answer.Keys[scope] = append(answer.Keys[scope], keys...)
		}
	}
	for scope, keys := range answer.Keys {
		slices.Sort(keys)
		keys = slices.Compact(keys)
		if r.Limit > 0 {
			keys = keys[:min(len(keys), r.Limit)]
		}
		answer.Keys[scope] = keys
	}
	return answer, nil
}

// TagValues returns the values that either knows.
func (b *both) TagValues(
	ctx context.Context, r readapi.TagValuesRequest,
) (*readapi.TagValuesAnswer, error) {
	got, err := askBoth(ctx, r, b, readapi.Engine.TagValues)
	if err != nil {
		return nil, err
	}
	answer := &readapi.TagValuesAnswer{
		Missing: got.missing(func(a *readapi.TagValuesAnswer) readapi.Missing { return a.Missing }),
	}
	seen := map[traceql.Value]bool{}
	for _, a := range []*readapi.TagValuesAnswer{got.remote, got.archived} {
		if a == nil {
			continue
		}
		for _, v := range a.Values {
			if v.Type == traceql.TypeDuration { // Tempo has a number of nanoseconds
				v.Type = traceql.TypeInt
			}
			if !seen[v] && (r.Limit == 0 || len(seen) < r.Limit) {
				seen[v] = true
				answer.Values = append(answer.Values, v)
			}
		}
	}
	return answer, nil
}
