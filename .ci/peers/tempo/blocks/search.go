package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/pkg/traceql"
	"github.com/grafana/tempo/tempodb/encoding/common"
)

// timeOverlapCutoff is a stock querier's: where a metrics query covers less than
// this part of a block's time, traces are filtered by time first.
const timeOverlapCutoff = 0.2

// search is how queries are asked.
type search struct {
	limit, spans uint
	start, end   uint64        // Unix seconds; 0: the times of the blocks
	step         time.Duration // of metrics
}

func (q *search) register(fs *flag.FlagSet) {
	// Tempo allocates for the whole limit before it searches.
	fs.UintVar(&q.limit, "limit", 100_000, "traces of an answer at most")
	fs.UintVar(&q.spans, "spans", 100_000, "spans of a span set at most")
	fs.Uint64Var(&q.start, "start", 0, "start of the range, Unix seconds; 0: that of the blocks")
	fs.Uint64Var(&q.end, "end", 0, "end of the range, Unix seconds; 0: that of the blocks")
	fs.DurationVar(&q.step, "step", time.Minute, "step of metrics queries")
}

func runSearch(ctx context.Context, args []string, out io.Writer) error {
	var q search
	fs := flags("search")
	q.register(fs)
	s, args, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	blocks, err := s.openAll(ctx, args)
	if err != nil {
		return err
	}
	return eachLine(os.Stdin, func(query string) error {
		answer := object{}
		if result, err := q.ask(ctx, blocks, query); err != nil {
			answer["error"] = err.Error()
		} else {
			answer = result
		}
		answer["query"] = query
		_, err := fmt.Fprintln(out, text(answer))
		return err
	})
}

// eachLine calls visit with each line that is not empty.
func eachLine(r io.Reader, visit func(string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			if err := visit(line); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// ask answers a query, of either kind, in canonical form.
func (q *search) ask(
	ctx context.Context, blocks []common.BackendBlock, query string,
) (answer object, err error) {
	defer func() { // some queries end a stock Tempo
		if p := recover(); p != nil {
			err = fmt.Errorf("the query makes Tempo panic: %v", p)
		}
	}()
	expr, _, _, _, _, err := traceql.Compile(query)
	if err != nil {
		return nil, err
	}
	if expr.MetricsPipeline != nil {
		return q.metrics(ctx, blocks, query)
	}
	mostRecent, _ := expr.Hints.GetBool(traceql.HintMostRecent, false)
	combiner := traceql.NewMetadataCombiner(int(q.limit), mostRecent)
	for _, b := range blocks {
		found, err := traceql.NewEngine().ExecuteSearch(ctx, q.request(query, b), fetcher(b))
		if err != nil {
			return nil, err
		}
		for _, t := range found.Traces {
			combiner.AddMetadata(t)
		}
	}
	traces := []any{}
	for _, t := range combiner.Metadata() {
		traces = append(traces, traceAnswer(t))
	}
	sortList(traces)
	return object{"traces": traces}, nil
}

func (q *search) request(query string, b common.BackendBlock) *tempopb.SearchRequest {
	start, end := q.bounds(b)
	return &tempopb.SearchRequest{
		Query: query, Limit: uint32(q.limit), SpansPerSpanSet: uint32(q.spans), Start: uint32(start), End: uint32(end),
	}
}

// bounds is the range that is asked of a block, in Unix seconds.
func (q *search) bounds(b common.BackendBlock) (start, end uint64) {
	meta := b.BlockMeta()
	start = cmp.Or(q.start, uint64(meta.StartTime.Unix()))
	return start, cmp.Or(q.end, uint64(meta.EndTime.Unix())+1)
}

func fetcher(b common.BackendBlock) traceql.SpansetFetcher {
	return traceql.NewSpansetFetcherWrapper(func(
		ctx context.Context, req traceql.FetchSpansRequest,
	) (traceql.FetchSpansResponse, error) {
		return b.Fetch(ctx, req, searchOptions())
	})
}

// traceAnswer is one trace of an answer. The deprecated copy of the first span
// set is left out.
func traceAnswer(t *tempopb.TraceSearchMetadata) object {
	t.SpanSet = nil
	o := plain(t, tenDigits)
	for _, set := range list(o["SpanSets"]) {
		sortList(set["Attributes"])
		for _, span := range list(set["Spans"]) {
			sortList(span["Attributes"])
		}
		sortList(set["Spans"])
	}
	sortList(o["SpanSets"])
	return o
}
