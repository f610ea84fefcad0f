package tempo

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"appliance/internal/readapi"
	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
)

// rootless stands for the service of the root of a trace without one.
const rootless = "<root span not yet received>"

// Search returns the traces that Tempo finds, the newest first. It calls found
// once.
func (e *Engine) Search(
	ctx context.Context, r readapi.SearchRequest, found readapi.Found,
) (*readapi.SearchAnswer, error) {
	q := url.Values{
		"q":     {searchQuery(&r)},
		"limit": {strconv.Itoa(r.Limit)},
		"spss":  {strconv.Itoa(r.SpansPerSet)},
	}
	setRange(q, r.Range)
	resp := &tempopb.SearchResponse{}
	if err := e.get(ctx, r.Tenant, "/api/search", q, resp); err != nil {
		return nil, judge(err)
	}
	answer := &readapi.SearchAnswer{}
	for _, t := range resp.Traces {
		trace, err := foundTrace(t)
		if err != nil {
			return nil, unavailable(err)
		}
		if r.MinDuration > 0 && trace.Duration < int64(r.MinDuration) ||
			r.MaxDuration > 0 && trace.Duration > int64(r.MaxDuration) {
			continue
		}
		answer.Traces = append(answer.Traces, trace)
	}
	slices.SortFunc(answer.Traces, newestFirst)
	answer.Traces = answer.Traces[:min(len(answer.Traces), r.Limit)]
	if found != nil && len(answer.Traces) > 0 {
		if err := found(slices.Clone(answer.Traces)); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// searchQuery is the query with the bounds of a trace's duration: Tempo looks at
// those only in a search by tags, which readapi makes a query of.
func searchQuery(r *readapi.SearchRequest) string {
	var bounds []string
	if r.MinDuration > 0 {
		bounds = append(bounds, "traceDuration >= "+durationText(r.MinDuration))
	}
	if r.MaxDuration > 0 {
		bounds = append(bounds, "traceDuration <= "+durationText(r.MaxDuration))
	}
	bound := "{ " + strings.Join(bounds, " && ") + " }"
	switch {
	case r.Query == nil:
		return bound
	case len(bounds) == 0 || !isSpanset(r.Query):
		return r.Query.String()
	}
	return bound + " && (" + r.Query.String() + ")"
}

func durationText(d time.Duration) string {
	return (&traceql.Literal{Kind: traceql.TypeDuration, Int: int64(d)}).String()
}

// isSpanset says whether another spanset can be joined to the query.
func isSpanset(q *traceql.Query) bool {
	if q.Spans == nil || len(q.Spans.Stages) != 1 || len(q.Hints) > 0 {
		return false
	}
	_, ok := q.Spans.Stages[0].(traceql.SpansetExpr)
	return ok
}

// setRange sets what a range has.
func setRange(q url.Values, r readapi.Range) {
	if r.Start != 0 {
		q.Set("start", strconv.FormatUint(uint64(r.Start), 10))
	}
	if r.End != 0 {
		q.Set("end", strconv.FormatUint(uint64(r.End), 10))
	}
}

// duration is that of a trace that Tempo shows in milliseconds. One that ends
// before it starts wraps around there, first nanoseconds in 64 bits and then
// milliseconds in 32, and is told from one of 48 days by being short.
func duration(ms uint32) int64 {
	const (
		wrapped  = uint32(math.MaxUint64 / uint64(time.Millisecond) % (1 << 32))
		negative = uint32(24 * time.Hour / time.Millisecond)
	)
	d := int64(ms)
	if ms <= wrapped && ms > wrapped-negative {
		d -= int64(wrapped)
	}
	return d * int64(time.Millisecond)
}

// foundTrace reads a trace of Tempo's answer. It has durations in milliseconds.
func foundTrace(t *tempopb.TraceSearchMetadata) (*traceql.FoundTrace, error) {
	out := &traceql.FoundTrace{
		RootService: t.RootServiceName,
		RootName:    t.RootTraceName,
		Start:       t.StartTimeUnixNano,
		Duration:    duration(t.DurationMs),
	}
	if out.RootService == rootless {
		out.RootService = ""
	}
	if err := readID(out.ID[:], t.TraceID); err != nil {
		return nil, fmt.Errorf("read the id of a trace: %w", err)
	}
	for name, s := range t.ServiceStats {
		out.Services = append(out.Services, traceql.Service{
			Name: name, Spans: int(s.GetSpanCount()), Errors: int(s.GetErrorCount()),
		})
	}
	slices.SortFunc(out.Services, byName)
	sets := t.SpanSets
	if len(sets) == 0 && t.SpanSet != nil { // before 2.3
		sets = []*tempopb.SpanSet{t.SpanSet}
	}
	for _, s := range sets {
		set, err := foundSpanSet(s)
		if err != nil {
			return nil, err
		}
		out.SpanSets = append(out.SpanSets, set)
	}
	return out, nil
}

func foundSpanSet(s *tempopb.SpanSet) (traceql.FoundSpanSet, error) {
	out := traceql.FoundSpanSet{Matched: int(s.Matched), Attributes: namedValues(s.Attributes)}
	for _, span := range s.Spans {
		found := traceql.FoundSpan{
			Name: span.Name, HasName: span.Name != "",
			Start: span.StartTimeUnixNano, Duration: span.DurationNanos,
			Attributes: namedValues(span.Attributes),
		}
		if err := readID(found.ID[:], span.SpanID); err != nil {
			return out, fmt.Errorf("read the id of a span: %w", err)
		}
		out.Spans = append(out.Spans, found)
	}
	return out, nil
}

// readID reads hexadecimal digits, of which zeros in front may be missing.
func readID(id []byte, text string) error {
	if len(text) > 2*len(id) {
		return fmt.Errorf("%.80q has more than %d digits", text, 2*len(id))
	}
	_, err := hex.Decode(id, []byte(strings.Repeat("0", 2*len(id)-len(text))+text))
	return err
}

func namedValues(attrs []*common.KeyValue) []traceql.NamedValue {
	var out []traceql.NamedValue
	for _, kv := range attrs {
		out = append(out, traceql.NamedValue{Name: kv.Key, Value: values(kv.Value)})
	}
	return out
}

// values are those of an array, or one.
func values(v *common.AnyValue) []traceql.Value {
	if _, ok := v.GetValue().(*common.AnyValue_ArrayValue); !ok {
		return []traceql.Value{value(v)}
	}
	var out []traceql.Value
	for _, item := range v.GetArrayValue().GetValues() {
		out = append(out, value(item))
	}
	return out
}

func value(v *common.AnyValue) traceql.Value {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_IntValue:
		return traceql.IntValue(v.IntValue)
	case *common.AnyValue_DoubleValue:
		return traceql.FloatValue(v.DoubleValue)
	case *common.AnyValue_BoolValue:
		return traceql.BoolValue(v.BoolValue)
	case *common.AnyValue_StringValue:
		return traceql.StringValue(v.StringValue)
	}
	return traceql.Value{}
}
