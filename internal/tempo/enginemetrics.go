package tempo

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"appliance/internal/readapi"
	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
)

// Metrics returns series that Tempo computes. The times of samples are as Tempo
// aligns them.
func (e *Engine) Metrics(
	ctx context.Context, r readapi.MetricsRequest,
) (*readapi.MetricsAnswer, error) {
	q := url.Values{
		"q":     {metricsQuery(r.Query)},
		"start": {strconv.FormatInt(r.Start, 10)},
		"end":   {strconv.FormatInt(r.End, 10)},
	}
	if r.Step == 0 {
		return e.instant(ctx, r, q)
	}
	q.Set("step", r.Step.String())
	if r.MaxSeries > 0 {
		q.Set("maxSeries", strconv.Itoa(r.MaxSeries))
	}
	if r.Exemplars > 0 {
		q.Set("exemplars", strconv.Itoa(r.Exemplars))
	}
	resp := &tempopb.QueryRangeResponse{}
	if err := e.get(ctx, r.Tenant, "/api/metrics/query_range", q, resp); err != nil {
		return nil, judge(err)
	}
	answer := &readapi.MetricsAnswer{}
	if resp.Status == tempopb.PartialStatus_PARTIAL {
		answer.Missing = partial(resp.Message)
	}
	exemplars := r.Exemplars
	for _, s := range resp.Series {
		series := traceql.MetricSeries{Labels: labels(s.Labels, s.PromLabels)}
		for _, sample := range s.Samples {
			series.Samples = append(series.Samples, traceql.MetricSample{
				Time: sample.TimestampMs, Value: sample.Value,
			})
		}
		for _, x := range s.Exemplars[:min(exemplars, len(s.Exemplars))] {
			exemplar, err := exemplarOf(x)
			if err != nil {
				return nil, unavailable(err)
			}
			series.Exemplars = append(series.Exemplars, exemplar)
		}
		exemplars -= len(series.Exemplars)
		answer.Series = append(answer.Series, series)
	}
	return answer, nil
}

// instant asks for one value about all of the range.
func (e *Engine) instant(
	ctx context.Context, r readapi.MetricsRequest, q url.Values,
) (*readapi.MetricsAnswer, error) {
	resp := &tempopb.QueryInstantResponse{}
	if err := e.get(ctx, r.Tenant, "/api/metrics/query", q, resp); err != nil {
		return nil, judge(err)
	}
	answer := &readapi.MetricsAnswer{}
	if resp.Status == tempopb.PartialStatus_PARTIAL {
		answer.Missing = partial(resp.Message)
	}
	for _, s := range resp.Series {
		answer.Series = append(answer.Series, traceql.MetricSeries{
			Labels:  labels(s.Labels, s.PromLabels),
			Samples: []traceql.MetricSample{{Time: r.End / 1e6, Value: s.Value}},
		})
	}
	return answer, nil
}

// metricsQuery is the query without the hint exemplars, which has no bound in
// Tempo: with it one request could exhaust Tempo's memory.
func metricsQuery(q *traceql.Query) string {
	bounded := *q
	bounded.Hints = slices.DeleteFunc(slices.Clone(q.Hints), func(h traceql.Hint) bool {
		return h.Name == "exemplars"
	})
	return bounded.String()
}

// labels reads the labels of a series. That spans have no value is a text among
// them, as one could have; the form of Prometheus tells the two apart.
func labels(kvs []common.KeyValue, prometheus string) []traceql.MetricLabel {
	var out []traceql.MetricLabel
	for i := range kvs {
		label := traceql.MetricLabel{Name: kvs[i].Key, Value: value(kvs[i].Value)}
		if label.Value == traceql.StringValue("nil") && strings.Contains(prometheus, `="<nil>"`) {
			label.Value = traceql.Value{}
		}
		out = append(out, label)
	}
	return out
}

func exemplarOf(x tempopb.Exemplar) (traceql.MetricExemplar, error) {
	out := traceql.MetricExemplar{Time: x.TimestampMs, Value: x.Value}
	for _, l := range x.Labels {
		if l.Key == "trace:id" || l.Key == "traceID" {
			if err := readID(out.TraceID[:], l.Value.GetStringValue()); err != nil {
				return out, fmt.Errorf("read the trace of an exemplar: %w", err)
			}
		}
	}
	return out, nil
}
