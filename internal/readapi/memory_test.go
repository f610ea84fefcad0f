package readapi

import (
	"bytes"
	"context"
	"testing"

	"appliance/internal/traceql"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// memoryEngine answers from spans in memory.
type memoryEngine struct {
	batch  *traceql.MemoryBatch
	traces map[[16]byte]*tempopb.Trace
}

func newMemoryEngine(requests ...[]byte) (*memoryEngine, error) {
	batch, err := traceql.NewMemoryBatch(requests...)
	if err != nil {
		return nil, err
	}
	e := &memoryEngine{batch: batch, traces: map[[16]byte]*tempopb.Trace{}}
	for _, r := range requests {
		// An OTLP request is a Trace on the wire.
		var all tempopb.Trace
		if err := proto.Unmarshal(r, &all); err != nil {
			return nil, err
		}
		for _, rs := range all.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					e.add(rs, ss, s)
				}
			}
		}
	}
	return e, nil
}

// add puts a span into its trace, beside those of its resource and scope.
func (e *memoryEngine) add(rs *trace.ResourceSpans, ss *trace.ScopeSpans, s *trace.Span) {
	var id [16]byte
	copy(id[16-len(s.TraceId):], s.TraceId)
	t := e.traces[id]
	if t == nil {
		t = &tempopb.Trace{}
		e.traces[id] = t
	}
	if n := len(t.ResourceSpans); n == 0 || t.ResourceSpans[n-1].Resource != rs.Resource {
		t.ResourceSpans = append(t.ResourceSpans, &trace.ResourceSpans{Resource: rs.Resource})
	}
	r := t.ResourceSpans[len(t.ResourceSpans)-1]
	if n := len(r.ScopeSpans); n == 0 || r.ScopeSpans[n-1].Scope != ss.Scope {
		r.ScopeSpans = append(r.ScopeSpans, &trace.ScopeSpans{Scope: ss.Scope})
	}
	scope := r.ScopeSpans[len(r.ScopeSpans)-1]
	scope.Spans = append(scope.Spans, s)
}

func missing(p traceql.Partial) Missing {
	if p == "" {
		return nil
	}
	return Missing{string(p)}
}

func (e *memoryEngine) Trace(_ context.Context, r TraceRequest) (*TraceAnswer, error) {
	t := e.traces[r.ID]
	if t == nil {
		return &TraceAnswer{}, nil
	}
	return &TraceAnswer{Trace: proto.Clone(t).(*tempopb.Trace)}, nil
}

func (e *memoryEngine) Search(ctx context.Context, r SearchRequest, found Found) (*SearchAnswer, error) {
	q := r.Query
	if q == nil {
		q, _ = traceql.Parse("{ }")
	}
	s, err := traceql.NewSearch(q, traceql.SearchOptions{
		Start: uint64(r.Range.Start) * 1e9, End: uint64(r.Range.End) * 1e9, Limit: r.Limit,
		SpansPerSet: r.SpansPerSet, MinDuration: int64(r.MinDuration), MaxDuration: int64(r.MaxDuration),
	})
	if err != nil {
		return nil, err
	}
	if err := s.Add(ctx, e.batch); err != nil {
		return nil, err
	}
	traces, partial := s.Found()
	if found != nil && len(traces) > 0 {
		if err := found(traces[:1]); err != nil {
			return nil, err
		}
	}
	return &SearchAnswer{Traces: traces, Missing: missing(partial)}, nil
}

func (e *memoryEngine) Metrics(ctx context.Context, r MetricsRequest) (*MetricsAnswer, error) {
	m, err := traceql.NewMetrics(r.Query, traceql.MetricsOptions{
		Start: uint64(r.Start), End: uint64(r.End), Step: uint64(r.Step), Exemplars: r.Exemplars,
	})
	if err != nil {
		return nil, err
	}
	if err := m.Add(ctx, e.batch); err != nil {
		return nil, err
	}
	series, partial := m.Series()
	return &MetricsAnswer{Series: series, Missing: missing(partial)}, nil
}

func (e *memoryEngine) Tags(ctx context.Context, r TagsRequest) (*TagsAnswer, error) {
	names, err := traceql.NewTagNames(r.Query, r.Scope, r.Limit)
	if err != nil {
		return nil, err
	}
	if err := names.Add(ctx, e.batch); err != nil {
		return nil, err
	}
	keys, partial := names.Names()
	return &TagsAnswer{Keys: keys, Missing: missing(partial)}, nil
}

func (e *memoryEngine) TagValues(ctx context.Context, r TagValuesRequest) (*TagValuesAnswer, error) {
	field := traceql.Field{Scope: r.Attribute.Scope, Intrinsic: r.Attribute.Intrinsic, Name: r.Attribute.Name}
	values, err := traceql.NewTagValues(r.Query, field, r.Limit)
	if err != nil {
		return nil, err
	}
	if err := values.Add(ctx, e.batch); err != nil {
		return nil, err
	}
	all, partial := values.Values()
	return &TagValuesAnswer{Values: all, Missing: missing(partial)}, nil
}

// traceJSON is the JSON form of a trace in protobuf.
func traceJSON(t *testing.T, body []byte, v2 bool) []byte {
	t.Helper()
	var message proto.Message = &tempopb.Trace{}
	if v2 {
		message = &tempopb.TraceByIDResponse{}
	}
	if err := proto.Unmarshal(body, message); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := new(jsonpb.Marshaler).Marshal(&b, message); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
