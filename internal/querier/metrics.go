package querier

import (
	"context"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// Metrics implements readapi.Engine.
func (q *Querier) Metrics(ctx context.Context, req readapi.MetricsRequest) (*readapi.MetricsAnswer, error) {
	answer := &readapi.MetricsAnswer{}
	missing, err := q.run(ctx, req.Tenant, func(ctx context.Context, r *run) error {
		r.budget.Series = req.MaxSeries
		m, err := traceql.NewMetrics(req.Query, traceql.MetricsOptions{
			Start: uint64(req.Start), End: uint64(req.End), Step: uint64(req.Step),
			Exemplars: req.Exemplars, Budget: &r.budget.Budget, Wait: q.low.Wait,
		})
		if err != nil {
			return &readapi.BadRequest{Why: err.Error()}
		}
		err = r.metrics(ctx, req, m)
		var partial traceql.Partial
		answer.Series, partial = m.Series()
		r.miss(string(partial))
		return err
	})
	if err != nil {
		return nil, err
	}
	answer.Missing = missing
	return answer, nil
}

func (r *run) metrics(ctx context.Context, req readapi.MetricsRequest, m *traceql.Metrics) error {
	// A range is moved outward to multiples of the step.
	step := max(int64(req.Step), 1)
	start, end := req.Start-req.Start%step, req.End+step
	sp, units, err := r.divide(ctx, max(start, 1), end)
	if err != nil {
		return err
	}
	if req.Query.PerSpan() {
		if sp, err = r.withCopies(ctx, sp); err != nil {
			return err
		}
	}
	if err := r.wholes(ctx, sp, nil, m.Add); err != nil {
		return err
	}
	return r.each(ctx, units, sp, func(ctx context.Context, _ *unit, b traceql.Batch) error {
		return m.Add(ctx, b)
	})
}
