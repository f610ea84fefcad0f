package read

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/pkg/traceql"
	"github.com/grafana/tempo/tempodb/backend"
)

const (
	maxSteps  = 11_000 // of a metrics query, as in Prometheus
	maxSeries = 1_000  // as in Tempo
	// Where a query covers less than this part of a block's time, the block's traces are filtered by time first. Tempo's value.
	timeOverlapCutoff = 0.2
)

// QueryRange answers a TraceQL metrics query from the archived blocks. A span that two blocks hold is counted twice, so
// the result is exact for a Tempo of replication factor 1 whose spans were sent once; Tempo's own has the same bound.
// Blocks of a metrics generator, which repeat what others hold, are left out.
func (r *Reader) QueryRange(ctx context.Context, tenant string, req *tempopb.QueryRangeRequest, skip func(block string) bool) (*tempopb.QueryRangeResponse, []error, error) {
	asked := *req
	asked.Exemplars = 0 // they would make each block be read twice
	if asked.MaxSeries == 0 || asked.MaxSeries > maxSeries {
		asked.MaxSeries = maxSeries
	}
	if asked.Step == 0 || asked.End <= asked.Start {
		return nil, nil, &RequestError{errors.New("a metrics query needs a step, and an end after its start")}
	}
	if steps := (asked.End - asked.Start) / asked.Step; steps > maxSteps {
		return nil, nil, &RequestError{fmt.Errorf("a metrics query of %d steps is more than %d; ask for a longer step", steps, maxSteps)}
	}
	traceql.AlignRequest(&asked)
	eval, err := traceql.NewEngine().CompileMetricsQueryRange(&asked, 0, timeOverlapCutoff, false)
	if err != nil {
		return nil, nil, &RequestError{err}
	}
	final, err := traceql.QueryRangeCombinerFor(&asked, traceql.AggregateModeFinal, int(asked.MaxSeries))
	if err != nil {
		return nil, nil, &RequestError{err}
	}
	window := window{start: int64(asked.Start / 1e9), end: int64(asked.End/1e9) + 1, skip: skip}
	blocks, missing, err := r.blocks(ctx, tenant, window)
	if err != nil {
		return nil, nil, err
	}
	unread, err := r.each(ctx, tenant, blocks, 1, func(ctx context.Context, b *block, open *openBlock) error {
		if open.BlockMeta().ReplicationFactor == backend.MetricsGeneratorReplicationFactor {
			return nil
		}
		return eval.Do(ctx, open.fetcher(), uint64(b.start)*1e9, uint64(b.end)*1e9, maxSeries)
	})
	if err != nil {
		return nil, nil, err
	}
	missing = append(missing[:len(missing):len(missing)], unread...)
	bytes, spans, _ := eval.Metrics()
	final.Combine(&tempopb.QueryRangeResponse{
		Series:  eval.Results().ToProto(&asked),
		Metrics: &tempopb.SearchMetrics{InspectedBytes: bytes, InspectedSpans: spans, TotalBlocks: uint32(len(blocks)), TotalJobs: uint32(len(blocks)), CompletedJobs: uint32(len(blocks) - len(unread))},
	})
	if final.MaxSeriesReached() {
		missing = append(missing, tooMuch(fmt.Sprintf("%d series", maxSeries)))
	}
	resp := final.Response()
	if len(missing) > 0 {
		resp.Status, resp.Message = tempopb.PartialStatus_PARTIAL, errors.Join(missing...).Error()
	}
	return resp, missing, nil
}
