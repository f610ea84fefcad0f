package read

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/grafana/tempo/pkg/model/trace"
	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/pkg/traceql"
	"github.com/grafana/tempo/pkg/util"
	"github.com/grafana/tempo/tempodb/encoding/common"
	"golang.org/x/sync/errgroup"

	"appliance/archive/store"
)

const probes = 16 // Bloom filters that are asked at once for one trace; little memory, and mostly waiting on a remote store

// FindTrace returns all spans of a trace, each once, from all blocks that overlap with start to end (Unix seconds; both 0: all time). An id is 1 to
// 16 bytes. The trace is nil where no block has it. Status is PARTIAL, and Message says why, where a block could not be
// read or the trace is larger than MaxTraceBytes; missing names the blocks.
func (r *Reader) FindTrace(ctx context.Context, tenant string, id []byte, start, end int64, skip func(block string) bool) (*tempopb.TraceByIDResponse, []error, error) {
	if len(id) == 0 || len(id) > 16 {
		return nil, nil, &RequestError{fmt.Errorf("a trace id has 1 to 16 bytes, not %d", len(id))}
	}
	id = util.PadTraceIDTo16Bytes(id)
	blocks, missing, err := r.blocks(ctx, tenant, window{start: start, end: end, skip: skip})
	if err != nil {
		return nil, nil, err
	}
	candidates, unread, err := r.probe(ctx, tenant, id, blocks)
	if err != nil {
		return nil, nil, err
	}
	missing = append(missing[:len(missing):len(missing)], unread...)

	var mu sync.Mutex
	combined := trace.NewCombiner(r.options.MaxTraceBytes, true)
	var inspected uint64
	// A whole trace takes more memory than a search: one block at a time, and no other search beside it.
	unread, err = r.each(ctx, tenant, candidates, r.options.Parallel, func(ctx context.Context, b *block, open *openBlock) error {
		if err := r.checkSize(ctx, id, b, open); err != nil {
			return err
		}
		found, err := open.FindTraceByID(ctx, id, searchOptions())
		if err != nil || found == nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if found.Metrics != nil {
			inspected += found.Metrics.InspectedBytes
		}
		_, err = combined.Consume(found.Trace)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	missing = append(missing, unread...)
	resp := &tempopb.TraceByIDResponse{Metrics: &tempopb.TraceByIDMetrics{InspectedBytes: inspected}}
	resp.Trace, _ = combined.Result()
	var why []error
	if combined.IsPartialTrace() {
		why = append(why, fmt.Errorf("the trace is larger than %d bytes and was cut", r.options.MaxTraceBytes))
	}
	if why = append(why, missing...); len(why) > 0 {
		resp.Status, resp.Message = tempopb.PartialStatus_PARTIAL, errors.Join(why...).Error()
	}
	return resp, missing, nil
}

// checkSize counts the spans that a block holds of a trace, where they can be too many to decode.
func (r *Reader) checkSize(ctx context.Context, id []byte, b *block, open *openBlock) error {
	if b.spans != 0 && b.spans <= int64(r.options.MaxTraceSpans) {
		return nil
	}
	count := &tempopb.SearchRequest{Query: fmt.Sprintf("{ trace:id = %q }", util.TraceIDToHexString(id)), SpansPerSpanSet: 1, Limit: 1}
	found, err := traceql.NewEngine().ExecuteSearch(ctx, count, open.fetcher())
	if errors.Is(err, common.ErrUnsupported) {
		return nil // v2, of before Parquet, whose traces are decoded one by one
	}
	if err != nil || len(found.Traces) == 0 {
		return err
	}
	spans := 0
	for _, set := range found.Traces[0].SpanSets {
		spans += int(set.Matched)
	}
	if spans > r.options.MaxTraceSpans {
		return fmt.Errorf("%w: it holds %d spans of the trace, and %d is the limit", ErrTooMuch, spans, r.options.MaxTraceSpans)
	}
	return nil
}

// probe asks the Bloom filters which blocks can hold a trace.
func (r *Reader) probe(ctx context.Context, tenant string, id []byte, blocks []*block) (candidates []*block, missing []error, err error) {
	p := newProbe(id)
	var mu sync.Mutex
	workers, workCtx := errgroup.WithContext(ctx)
	next := make(chan *block)
	workers.Go(func() error {
		defer close(next)
		for _, b := range blocks {
			select {
			case next <- b:
			case <-workCtx.Done():
				return workCtx.Err()
			}
		}
		return nil
	})
	for range min(probes, len(blocks)) {
		workers.Go(func() error {
			for b := range next {
				may, err := p.mayHold(workCtx, r, tenant, b)
				switch {
				case workCtx.Err() != nil:
					return workCtx.Err()
				case err == nil && !may:
					continue
				case errors.Is(err, store.ErrNotExist) && r.pruned(workCtx, tenant, b):
					continue
				}
				mu.Lock()
				if err != nil {
					missing = append(missing, &Missing{Tenant: tenant, Block: b.id.String(), Err: err})
				} else {
					candidates = append(candidates, b)
				}
				mu.Unlock()
			}
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		return nil, nil, err
	}
	return candidates, missing, nil
}
