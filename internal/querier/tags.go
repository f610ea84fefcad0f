package querier

import (
	"context"
	"fmt"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// Tags implements readapi.Engine.
func (q *Querier) Tags(ctx context.Context, req readapi.TagsRequest) (*readapi.TagsAnswer, error) {
	answer := &readapi.TagsAnswer{}
	missing, err := q.run(ctx, req.Tenant, func(ctx context.Context, r *run) error {
		t, err := traceql.NewTagNames(req.Query, req.Scope, req.Limit)
		if err != nil {
			return fmt.Errorf("list tags: %w", err)
		}
		err = r.collect(ctx, req.Range, req.Query, t.Add)
		var partial traceql.Partial
		answer.Keys, partial = t.Names()
		r.miss(string(partial))
		return err
	})
	if err != nil {
		return nil, err
	}
	answer.Missing = missing
	return answer, nil
}

// TagValues implements readapi.Engine.
func (q *Querier) TagValues(ctx context.Context, req readapi.TagValuesRequest) (*readapi.TagValuesAnswer, error) {
	answer := &readapi.TagValuesAnswer{}
	field := traceql.Field{Scope: req.Attribute.Scope, Intrinsic: req.Attribute.Intrinsic, Name: req.Attribute.Name}
	if field.Intrinsic != traceql.IntrinsicNone {
		field = traceql.Field{Intrinsic: field.Intrinsic}
	}
	missing, err := q.run(ctx, req.Tenant, func(ctx context.Context, r *run) error {
		t, err := traceql.NewTagValues(req.Query, field, req.Limit)
		if err != nil {
			return fmt.Errorf("list the values of a tag: %w", err)
		}
		err = r.collect(ctx, req.Range, req.Query, t.Add)
		var partial traceql.Partial
		answer.Values, partial = t.Values()
		r.miss(string(partial))
		return err
	})
	if err != nil {
		return nil, err
	}
	answer.Missing = missing
	return answer, nil
}

// collect gives all batches to add. Where spans are looked at alone, what a trace
// has is what its parts have, and it does not matter that it is in several
// places.
func (r *run) collect(
	ctx context.Context, times readapi.Range, query *traceql.Query, add func(context.Context, traceql.Batch) error,
) error {
	start, end := bounds(times)
	sp, units := &split{}, []*unit(nil)
	var err error
	if query == nil || query.PerSpan() {
		units, _, err = r.scope(ctx, start, end)
	} else {
		sp, units, err = r.divide(ctx, start, end)
	}
	if err != nil {
		return err
	}
	if err := r.wholes(ctx, sp, nil, add); err != nil {
		return err
	}
	return r.each(ctx, units, sp, func(ctx context.Context, _ *unit, b traceql.Batch) error {
		return add(ctx, b)
	})
}
