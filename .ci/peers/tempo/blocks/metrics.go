package main

import (
	"context"

	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/pkg/traceql"
	"github.com/grafana/tempo/tempodb/encoding/common"
)

// maxSteps bounds an answer: Tempo allocates for every step of the range, and the
// times of a block's spans may be anything.
const maxSteps = 1000

// metrics answers a metrics query over a range.
func (q *search) metrics(
	ctx context.Context, blocks []common.BackendBlock, query string,
) (object, error) {
	start, end := q.bounds(blocks[0])
	for _, b := range blocks[1:] {
		s, e := q.bounds(b)
		start, end = min(start, s), max(end, e)
	}
	step := max(uint64(q.step), (end-start)*1e9/maxSteps)
	req := &tempopb.QueryRangeRequest{
		Query: query, Start: start * 1e9, End: end * 1e9, Step: step, MaxSeries: 100_000,
	}
	traceql.AlignRequest(req)
	final, err := traceql.QueryRangeCombinerFor(req, traceql.AggregateModeFinal, int(req.MaxSeries))
	if err != nil {
		return nil, err
	}
	eval, err := traceql.NewEngine().CompileMetricsQueryRange(req, 0, timeOverlapCutoff, false)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		meta := b.BlockMeta()
		from, to := uint64(meta.StartTime.UnixNano()), uint64(meta.EndTime.UnixNano())
		if err := eval.Do(ctx, fetcher(b), from, to, int(req.MaxSeries)); err != nil {
			return nil, err
		}
	}
	final.Combine(&tempopb.QueryRangeResponse{
		Series: eval.Results().ToProto(req), Metrics: &tempopb.SearchMetrics{},
	})
	series := []any{}
	for _, one := range final.Response().Series {
		o := plain(one, tenDigits)
		sortList(o["Labels"])
		series = append(series, o)
	}
	sortList(series)
	return object{"series": series}, nil
}
