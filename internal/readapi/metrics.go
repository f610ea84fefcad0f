package readapi

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
)

func (h *Handler) queryRange(w http.ResponseWriter, r *http.Request) error {
	return h.answerMetrics(w, r, false)
}

func (h *Handler) queryInstant(w http.ResponseWriter, r *http.Request) error {
	return h.answerMetrics(w, r, true)
}

func (h *Handler) answerMetrics(w http.ResponseWriter, r *http.Request, instant bool) error {
	asked, err := parseMetrics(r.URL.Query(), time.Now())
	if err != nil {
		return err
	}
	tenant, err := h.tenantOf(r)
	if err != nil {
		return err
	}
	if instant {
		asked.Step = 0
	}
	req, err := h.metricsRequest(tenant, asked)
	if err != nil {
		return err
	}
	req.MaxSeries = seriesWanted(r.URL.Query())
	leave, err := h.takeTurn(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	answer, err := h.Engine.Metrics(r.Context(), req)
	if err != nil {
		return err
	}
	if instant {
		return h.writeJSON(w, r, instantResponse(answer), answer.Missing)
	}
	rest := rangeResponse(&MetricsAnswer{Missing: answer.Missing})
	rest.Series = nil // writeList writes them
	return h.writeList(w, r, "series", len(answer.Series), func(w *jsonWriter, i int) {
		w.timeSeries(timeSeries(&answer.Series[i]))
	}, rest, answer.Missing)
}

// metricsRequest makes the engine's question of a request. A step of 0 is that
// of an instant.
func (h *Handler) metricsRequest(
	tenant string, asked *tempopb.QueryRangeRequest,
) (MetricsRequest, error) {
	req := MetricsRequest{
		Tenant: tenant, Start: int64(asked.Start), End: int64(asked.End),
		Step: time.Duration(asked.Step), Exemplars: int(min(asked.Exemplars, maxExemplars)),
	}
	q, err := traceql.Parse(asked.Query)
	if err != nil {
		return req, fmt.Errorf("compiling query: %w", err)
	}
	if q.Metric == nil {
		return req, badRequest("not a metrics query")
	}
	req.Query = q
	switch {
	case req.Start <= 0:
		return req, badRequest("start required")
	case req.End <= req.Start:
		return req, badRequest("end must be greater than start")
	case h.MaxMetricsRange != 0 && time.Duration(req.End-req.Start) > h.MaxMetricsRange:
		return req, badRequest("metrics query time range exceeds the maximum allowed duration of %v",
			h.MaxMetricsRange)
	}
	return req, nil
}

// exemplarLabel has the trace of an exemplar, for Grafana to link to.
const exemplarLabel = "trace:id"

func rangeResponse(answer *MetricsAnswer) *tempopb.QueryRangeResponse {
	out := &tempopb.QueryRangeResponse{
		Series:  make([]*tempopb.TimeSeries, 0, len(answer.Series)),
		Metrics: &tempopb.SearchMetrics{},
	}
	out.Status, out.Message = statusOf(answer.Missing)
	for i := range answer.Series {
		out.Series = append(out.Series, timeSeries(&answer.Series[i]))
	}
	return out
}

func timeSeries(s *traceql.MetricSeries) *tempopb.TimeSeries {
	out := &tempopb.TimeSeries{
		Labels: labelValues(s.Labels), PromLabels: s.PromLabels(),
		Samples: make([]tempopb.Sample, len(s.Samples)),
	}
	for i, sample := range s.Samples {
		out.Samples[i] = tempopb.Sample{TimestampMs: sample.Time, Value: sample.Value}
	}
	for _, e := range s.Exemplars {
		out.Exemplars = append(out.Exemplars, tempopb.Exemplar{
			Labels: labelValues([]traceql.MetricLabel{{
				Name: exemplarLabel, Value: traceql.StringValue(hex.EncodeToString(e.TraceID[:])),
			}}),
			Value: e.Value, TimestampMs: e.Time,
		})
	}
	return out
}

// instantResponse has the last sample of each series. Without a series it does
// not even have an empty list, as in Tempo.
func instantResponse(answer *MetricsAnswer) *tempopb.QueryInstantResponse {
	out := &tempopb.QueryInstantResponse{Metrics: &tempopb.SearchMetrics{}}
	out.Status, out.Message = statusOf(answer.Missing)
	for i := range answer.Series {
		s := &answer.Series[i]
		series := &tempopb.InstantSeries{Labels: labelValues(s.Labels), PromLabels: s.PromLabels()}
		if n := len(s.Samples); n > 0 {
			series.Value = s.Samples[n-1].Value
		}
		out.Series = append(out.Series, series)
	}
	return out
}
