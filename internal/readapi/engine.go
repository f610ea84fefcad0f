package readapi

import (
	"context"
	"errors"
	"time"

	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
)

// Engine answers questions about everything that is stored, wherever it is.
//
// Its methods may be called by many goroutines. They return soon after ctx
// ends; a deadline that passes makes an answer incomplete, which is not an
// error. An error that is a *traceql.Error or a BadRequest says that the
// question is at fault. ErrUnavailable says that asking again later may help.
// The answers belong to the caller.
type Engine interface {
	// Trace returns all spans of a trace.
	Trace(ctx context.Context, r TraceRequest) (*TraceAnswer, error)
	// Search returns the newest traces that match. While it runs it calls found,
	// which may be nil, with traces that are new or have changed since it was
	// called with them, one call at a time. An error of found ends the search.
	Search(ctx context.Context, r SearchRequest, found Found) (*SearchAnswer, error)
	// Tags returns the keys of attributes.
	Tags(ctx context.Context, r TagsRequest) (*TagsAnswer, error)
	// TagValues returns the values of one attribute.
	TagValues(ctx context.Context, r TagValuesRequest) (*TagValuesAnswer, error)
	// Metrics computes series.
	Metrics(ctx context.Context, r MetricsRequest) (*MetricsAnswer, error)
}

// Patient is an Engine whose questions have a turn, and are less urgent than the
// rest of the process. Answers are put together in the same way.
type Patient interface {
	// Later waits for a turn and does something. The error is that of ctx.
	Later(ctx context.Context, do func()) error
}

// Found takes traces while a search runs.
type Found func([]*traceql.FoundTrace) error

// ErrUnavailable says that there is no answer now, and may be one later.
var ErrUnavailable = errors.New("not available now")

// BadRequest is the error of a question that cannot be answered as it is.
type BadRequest struct{ Why string }

func (e *BadRequest) Error() string { return e.Why }

// Range is a time in Unix seconds from Start to End. Both are 0 for all time.
type Range struct{ Start, End uint32 }

// Missing says why an answer is not complete, such as a block that cannot be
// read. Empty: the answer is complete.
type Missing []string

// TraceRequest asks for one trace.
type TraceRequest struct {
	Tenant string
	ID     [16]byte
	// Range is where its blocks are looked for. Spans outside of it may be
	// returned as well.
	Range Range
}

// TraceAnswer is one trace. Its Trace is nil if there is no span of it.
type TraceAnswer struct {
	Trace   *tempopb.Trace
	Missing Missing
}

// SearchRequest asks for traces.
type SearchRequest struct {
	Tenant string
	// Query is nil for all traces.
	Query *traceql.Query
	// Range is about traces: one is in if any part of it is.
	Range Range
	// Limit is how many traces are asked for, from 1 to MaxLimit.
	Limit int
	// SpansPerSet is how many spans of each span set, from 1 to MaxSpansPerSet.
	SpansPerSet int
	// MinDuration and MaxDuration bound the duration of traces. 0: unbounded.
	MinDuration, MaxDuration time.Duration
}

// SearchAnswer has the traces that were found, the newest first.
type SearchAnswer struct {
	Traces  []*traceql.FoundTrace
	Missing Missing
}

// TagsRequest asks for the keys of attributes.
type TagsRequest struct {
	Tenant string
	// Scope is traceql.ScopeNone for all scopes.
	Scope traceql.Scope
	// Query is one filter, which chooses the spans whose attributes are asked
	// for. nil: all spans.
	Query *traceql.Query
	Range Range
	Limit int // of each scope; 0 is unbounded
}

// TagsAnswer has the keys of each scope, sorted.
type TagsAnswer struct {
	Keys    map[traceql.Scope][]string
	Missing Missing
}

// TagValuesRequest asks for the values of an attribute.
type TagValuesRequest struct {
	Tenant string
	// Attribute with ScopeNone is looked for in spans, resources and
	// instrumentation scopes.
	Attribute *traceql.Attribute
	// Query is one filter, which chooses the spans whose values are asked for.
	// nil: all spans.
	Query *traceql.Query
	Range Range
	Limit int // 0 is unbounded
}

// TagValuesAnswer has each value once.
type TagValuesAnswer struct {
	Values  []traceql.Value
	Missing Missing
}

// MetricsRequest asks for series.
type MetricsRequest struct {
	Tenant string
	// Query has a Metric.
	Query *traceql.Query
	// Start and End are Unix nanoseconds, Start before End. The engine aligns
	// them outward to the step.
	Start, End int64
	// Step is the distance of samples, or 0 for one value at End about all of
	// the range.
	Step time.Duration
	// MaxSeries is how many series are asked for. 0: as many as the engine
	// allows.
	MaxSeries int
	// Exemplars is how many exemplars are asked for, of all series together.
	Exemplars int
}

// MetricsAnswer has the series. Those of an instant have one sample each.
type MetricsAnswer struct {
	Series  []traceql.MetricSeries
	Missing Missing
}
