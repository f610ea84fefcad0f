package tempo

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/readapi"
	"appliance/internal/traceql"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

// source is an engine with the answers that a test gives it.
type source struct {
	trace   *tempopb.Trace
	found   [][]*traceql.FoundTrace // as they are found
	keys    []string
	values  []traceql.Value
	series  []traceql.MetricSeries
	missing readapi.Missing
	err     error
	hangs   bool
}

func (s *source) answer(ctx context.Context) error {
	if s.hangs {
		<-ctx.Done()
		return readapi.ErrUnavailable
	}
	return s.err
}

func (s *source) Trace(ctx context.Context, _ readapi.TraceRequest) (*readapi.TraceAnswer, error) {
	return &readapi.TraceAnswer{Trace: s.trace, Missing: s.missing}, s.answer(ctx)
}

func (s *source) Search(
	ctx context.Context, _ readapi.SearchRequest, found readapi.Found,
) (*readapi.SearchAnswer, error) {
	answer := &readapi.SearchAnswer{Missing: s.missing}
	for _, traces := range s.found {
		if err := found(traces); err != nil {
			return nil, err
		}
		answer.Traces = append(answer.Traces, traces...)
	}
	return answer, s.answer(ctx)
}

func (s *source) Tags(ctx context.Context, _ readapi.TagsRequest) (*readapi.TagsAnswer, error) {
	keys := map[traceql.Scope][]string{traceql.ScopeSpan: s.keys}
	return &readapi.TagsAnswer{Keys: keys, Missing: s.missing}, s.answer(ctx)
}

func (s *source) TagValues(
	ctx context.Context, _ readapi.TagValuesRequest,
) (*readapi.TagValuesAnswer, error) {
	return &readapi.TagValuesAnswer{Values: s.values, Missing: s.missing}, s.answer(ctx)
}

func (s *source) Metrics(
	ctx context.Context, _ readapi.MetricsRequest,
) (*readapi.MetricsAnswer, error) {
	return &readapi.MetricsAnswer{Series: s.series, Missing: s.missing}, s.answer(ctx)
}

func traceOf(spans ...*trace.Span) *tempopb.Trace {
	return &tempopb.Trace{ResourceSpans: []*trace.ResourceSpans{{
		ScopeSpans: []*trace.ScopeSpans{{Spans: spans}},
	}}}
}

func client(id, parent string) *trace.Span {
	return &trace.Span{
		SpanId:       []byte(id),
		ParentSpanId: []byte(parent),
		Name:         "client",
		Kind:         trace.Span_SPAN_KIND_CLIENT,
	}
}

func server(id, parent string) *trace.Span {
	return &trace.Span{
		SpanId:       []byte(id),
		ParentSpanId: []byte(parent),
		Name:         "server",
		Kind:         trace.Span_SPAN_KIND_SERVER,
	}
}

func internal(id, parent string) *trace.Span {
	return &trace.Span{
		SpanId:       []byte(id),
		ParentSpanId: []byte(parent),
		Name:         "part",
		Kind:         trace.Span_SPAN_KIND_INTERNAL,
	}
}

// spans are the ids of a trace's spans, each with its parent if it has one.
func spans(tr *tempopb.Trace) string {
	var ids []string
	eachSpan(tr, func(s *trace.Span) {
		id := string(s.SpanId)
		if len(s.ParentSpanId) > 0 {
			id += "<" + string(s.ParentSpanId)
		}
		ids = append(ids, id)
	})
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func TestATraceHasEachSpanOnce(t *testing.T) {
	for name, c := range map[string]struct {
		remote, archived *tempopb.Trace
		want             string
	}{
		"of Tempo alone":    {traceOf(client("a", "")), nil, "a"},
		"of the archive":    {nil, traceOf(client("a", "")), "a"},
		"an overlap":        {traceOf(client("a", ""), client("b", "a")), traceOf(client("b", "a"), client("c", "b")), "a b<a c<b"},
		"the same":          {traceOf(client("a", "")), traceOf(client("a", "")), "a"},
		"another kind":      {traceOf(client("a", "")), traceOf(server("a", "")), "a a"},
		"Zipkin's, renamed": {traceOf(client("a", ""), server("1", "a")), traceOf(client("a", ""), server("a", ""), internal("c", "a")), "1<a a c<1"},
		"sent again, other": {traceOf(client("a", "")), traceOf(&trace.Span{SpanId: []byte("a"), Name: "client", Kind: trace.Span_SPAN_KIND_CLIENT, EndTimeUnixNano: 5}), "a a"},
		"in neither":        {nil, nil, ""},
	} {
		answer, err := Both(
			&source{trace: c.remote},
			&source{trace: c.archived},
		).Trace(t.Context(), readapi.TraceRequest{})
		if err != nil || spans(answer.Trace) != c.want || len(answer.Missing) > 0 {
			t.Errorf(
				"%s: %q %v %v, want %q",
				name,
				spans(answer.Trace),
				answer.Missing,
				err,
				c.want,
			)
		}
	}
}

// That there is no such trace is said only where both were asked.
func TestNotFoundIsSaidOnlyWhereBothWereAsked(t *testing.T) {
	away := &source{err: readapi.ErrUnavailable}
	none, some := &source{}, &source{trace: traceOf(client("a", ""))}
	for name, b := range map[string]readapi.Engine{"Tempo": Both(away, none), "the archive": Both(none, away)} {
		if _, err := b.Trace(t.Context(), readapi.TraceRequest{}); !errors.Is(
			err,
			readapi.ErrUnavailable,
		) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	for name, b := range map[string]readapi.Engine{"Tempo": Both(away, some), "the archive": Both(some, away)} {
		answer, err := b.Trace(t.Context(), readapi.TraceRequest{})
		if err != nil || spans(answer.Trace) != "a" || len(answer.Missing) != 1 {
			t.Errorf("without %s: %v %v", name, answer, err)
		}
	}
}

// Where one of both does not answer, the answer is the other's and says so. Where
// neither does, it is an error, of which the question's fault is the first.
func TestOneOfBothAnswers(t *testing.T) {
	away, refuses := readapi.ErrUnavailable, &readapi.BadRequest{Why: "no"}
	for name, c := range map[string]struct {
		remote, archived error
		want             error
		bad              bool
	}{
		"without Tempo":      {remote: away},
		"without an archive": {archived: away},
		"Tempo refuses":      {remote: refuses},
		"neither":            {remote: away, archived: away, want: away},
		"a bad question":     {remote: away, archived: refuses, bad: true},
		"refused by Tempo":   {remote: refuses, archived: away, bad: true},
	} {
		b := Both(
			&source{trace: traceOf(client("a", "")), err: c.remote},
			&source{trace: traceOf(client("a", "")), err: c.archived},
		)
		for asked, err := range everyQuestion(t.Context(), t, b) {
			var bad *readapi.BadRequest
			if errors.As(err, &bad) != c.bad || !c.bad && !errors.Is(err, c.want) {
				t.Errorf("%s: %s: %v", name, asked, err)
			}
		}
		tags, err := b.Tags(t.Context(), readapi.TagsRequest{})
		if err == nil && len(tags.Missing) != 1 {
			t.Errorf("%s: missing is %q", name, tags.Missing)
		}
	}
}

// Whichever of both hangs, the other's answer is there before the deadline.
func TestAClientGetsTheAnswerOfTheOther(t *testing.T) {
	for _, b := range []readapi.Engine{Both(&source{hangs: true}, &source{keys: []string{"a"}}), Both(&source{keys: []string{"a"}}, &source{hangs: true})} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
			defer cancel()
			answer, err := b.Tags(ctx, readapi.TagsRequest{})
			if err != nil || ctx.Err() != nil || len(answer.Keys[traceql.ScopeSpan]) != 1 ||
				len(answer.Missing) != 1 {
				t.Errorf("%v %v, the deadline is over: %v", answer, err, ctx.Err())
			}
		})
	}
}

// What both lack is said.
func TestMissingIsOfBoth(t *testing.T) {
	b := Both(&source{missing: readapi.Missing{"one"}}, &source{missing: readapi.Missing{"two"}})
	answer, err := b.Tags(t.Context(), readapi.TagsRequest{})
	if d := cmp.Diff(readapi.Missing{"one", "two"}, answer.Missing); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestTagsAndValuesAreUnions(t *testing.T) {
	str := traceql.StringValue
	b := Both(
		&source{keys: []string{"a", "c"}, values: []traceql.Value{str("x"), traceql.IntValue(5)}},
		&source{
			keys:   []string{"b", "c"},
			values: []traceql.Value{str("5"), traceql.DurationValue(5), str("x")},
		},
	)
	tags, err := b.Tags(t.Context(), readapi.TagsRequest{})
	if d := cmp.Diff([]string{"a", "b", "c"}, tags.Keys[traceql.ScopeSpan]); d != "" || err != nil {
		t.Error(d, err)
	}
	if tags, err = b.Tags(t.Context(), readapi.TagsRequest{Limit: 2}); err != nil ||
		len(tags.Keys[traceql.ScopeSpan]) != 2 {
		t.Error(tags, err)
	}
	values, err := b.TagValues(t.Context(), readapi.TagValuesRequest{})
	if d := cmp.Diff([]traceql.Value{str("x"), traceql.IntValue(5), str("5")}, values.Values); d != "" ||
		err != nil {
		t.Error(d, err)
	}
	if values, err = b.TagValues(t.Context(), readapi.TagValuesRequest{Limit: 2}); err != nil ||
		len(values.Values) != 2 {
		t.Error(values, err)
	}
}
