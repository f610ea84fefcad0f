package serve

import (
	"context"
	"encoding/hex"
	"path/filepath"

	"appliance/internal/durable"
	"appliance/internal/red"
	"appliance/internal/telemetry"
)

// openMeter opens what counts all spans before they are sampled. What it cannot
// read of earlier runs is not a reason to take no spans: counters begin at zero then,
// as Prometheus expects of a counter that lost its memory.
func (a *appliance) openMeter() {
	if a.conf.Metrics.MaxSeries == 0 {
		return
	}
	o := red.Options{
		Dir: filepath.Join(a.conf.DataDir, "red"), FS: durable.OS, Logger: a.logger,
		MaxSeries: a.conf.Metrics.MaxSeries, PairWait: a.conf.Metrics.PairWait,
	}
	if a.reloadsTail() { // there are rules
		o.Verdict = a.tail.Verdict
	}
	meter, err := red.Open(o)
	if err != nil {
		a.logger.Error("counts of spans by service begin at zero", "err", err)
	}
	a.meter = meter
}

// keepCounts saves them every second.
func (a *appliance) keepCounts(ctx context.Context) error {
	if a.meter == nil {
		return nil
	}
	return a.meter.Run(ctx)
}

// closeMeter saves them when no request is taken any more.
func (a *appliance) closeMeter() {
	if a.meter == nil {
		return
	}
	if err := a.meter.Close(); err != nil {
		a.logger.Error("counts of spans of the last second are not saved", "err", err)
	}
}

// redFamilies makes families of what is counted. Where there is one tenant, its
// name is no label.
type redFamilies struct {
	meter   *red.Meter // nil: they are empty
	tenants bool
}

func (a *appliance) redFamilies() redFamilies {
	return redFamilies{a.meter, len(a.conf.Receiver.Tenants) > 0}
}

// first has a family, the one that is read first, save what is shown then.
func (f redFamilies) first(m telemetry.Metric) telemetry.Metric {
	read, before := m.Read, new(saver)
	m.Read = func(emit func(float64, ...string)) {
		if f.meter != nil {
			before.save(f.meter.Save)
		}
		read(emit)
	}
	return m
}

func (f redFamilies) labels(names ...string) []string {
	if f.tenants {
		return append(names, "tenant")
	}
	return names
}

func (f redFamilies) values(tenant string, values ...string) []string {
	if f.tenants {
		return append(values, tenant)
	}
	return values
}

func (f redFamilies) series(visit func(s *red.Series, labels []string)) {
	if f.meter != nil {
		f.meter.View().Series(func(s *red.Series) { visit(s, f.values(s.Tenant, s.Service, s.Name, s.Kind, s.Status)) })
	}
}

func (f redFamilies) edges(visit func(e *red.EdgeSeries, labels []string)) {
	if f.meter != nil {
		f.meter.View().Edges(func(e *red.EdgeSeries) { visit(e, f.values(e.Tenant, e.Client, e.Server, e.Type)) })
	}
}

var (
	spanLabels = [...]string{"service", "span_name", "span_kind", "status_code"}
	edgeLabels = [...]string{"client", "server", "connection_type"}
)

// spans is a counter of spans.
func (f redFamilies) spans(name, help string, read func(*red.Series) uint64) telemetry.Metric {
	return telemetry.Metric{Name: name, Help: help, Labels: f.labels(spanLabels[:]...), Read: func(emit func(float64, ...string)) {
		f.series(func(s *red.Series, labels []string) { emit(float64(read(s)), labels...) })
	}}
}

// calls is a counter of calls between services.
func (f redFamilies) calls(name, help string, read func(*red.EdgeSeries) uint64) telemetry.Metric {
	return telemetry.Metric{Name: name, Help: help, Labels: f.labels(edgeLabels[:]...), Read: func(emit func(float64, ...string)) {
		f.edges(func(e *red.EdgeSeries, labels []string) { emit(float64(read(e)), labels...) })
	}}
}

// times is how long calls took.
func (f redFamilies) times(name, help string, read func(*red.EdgeSeries) telemetry.Histogram) telemetry.Metric {
	return telemetry.Metric{Name: name, Help: help, Labels: f.labels(edgeLabels[:]...), ReadHistograms: func(emit func(telemetry.Histogram, ...string)) {
		f.edges(func(e *red.EdgeSeries, labels []string) { emit(read(e), labels...) })
	}}
}

// state is a number of the meter.
func (f redFamilies) state(name, help string, read func(red.Status) float64) telemetry.Metric {
	return telemetry.Metric{Name: name, Help: help, Read: func(emit func(float64, ...string)) {
		if f.meter != nil {
			emit(read(f.meter.View().Status()))
		}
	}}
}

// tracesMetrics are the families of Tempo's metrics generator, by the names that
// Grafana asks for.
func (a *appliance) tracesMetrics() []telemetry.Metric {
	f := a.redFamilies()
	latency := telemetry.Metric{
		Name: "traces_spanmetrics_latency", Help: "How long they took, in seconds. Exemplars are of spans that were kept.", Labels: f.labels(spanLabels[:]...),
		ReadHistograms: func(emit func(telemetry.Histogram, ...string)) {
			f.series(func(s *red.Series, labels []string) { emit(histogram(&s.Latency, s.Examples), labels...) })
		},
	}
	return []telemetry.Metric{
		f.first(f.spans("traces_spanmetrics_calls_total", "Spans received over all runs, before sampling and after receiver.rules.", func(s *red.Series) uint64 { return s.Latency.Count() })),
		latency,
		f.spans("traces_spanmetrics_size_total", "Bytes of them as OTLP.", func(s *red.Series) uint64 { return s.Bytes }),
		f.calls("traces_service_graph_request_total", "Calls between services over all runs, before sampling.", func(e *red.EdgeSeries) uint64 { return e.ServerTime.Count() }),
		f.calls("traces_service_graph_request_failed_total", "Calls of which a side has the status error.", func(e *red.EdgeSeries) uint64 { return e.Failed }),
		f.times("traces_service_graph_request_server_seconds", "How long calls took for the server, in seconds; for the client where only that is known. Exemplars are of traces that were kept.",
			func(e *red.EdgeSeries) telemetry.Histogram { return histogram(&e.ServerTime, e.Examples) }),
		f.times("traces_service_graph_request_client_seconds", "How long calls took for the client, in seconds; for the server where only that is known.",
			func(e *red.EdgeSeries) telemetry.Histogram { return histogram(&e.ClientTime, nil) }),
		f.state("traces_service_graph_unpaired_spans_total", "Spans of one side of a call, of which the other side did not come and has no name.", func(s red.Status) float64 { return float64(s.Unpaired) }),
		f.state("traces_service_graph_dropped_spans_total", "Spans of one side of a call that did not wait for the other side, for want of room.", func(s red.Status) float64 { return float64(s.Dropped) }),
	}
}

// redMetrics say how full the meter is, and what is left after sampling.
func (a *appliance) redMetrics() []telemetry.Metric {
	f := a.redFamilies()
	return []telemetry.Metric{
		f.state("appliance_red_series", "Series of spans.", func(s red.Status) float64 { return float64(s.Series) }),
		f.state("appliance_red_max_series", "How many of them, and of edges, are made at most: metrics.max_series.", func(s red.Status) float64 { return float64(s.MaxSeries) }),
		f.state("appliance_red_edges", "Edges of the service graph.", func(s red.Status) float64 { return float64(s.Edges) }),
		f.state("appliance_red_overflow_total", "Spans and calls that are counted in series named _overflow, since metrics.max_series are there.", func(s red.Status) float64 { return float64(s.Overflowed) }),
		f.state("appliance_red_waiting_spans", "Spans of one side of a call that wait for the other side.", func(s red.Status) float64 { return float64(s.Waiting) }),
		f.spans("appliance_red_kept_spans_total", "Spans kept after sampling over all runs.", func(s *red.Series) uint64 { return s.Kept }),
		f.spans("appliance_red_kept_bytes_total", "Bytes of them as OTLP, before the sampler changed tracestate.", func(s *red.Series) uint64 { return s.KeptBytes }),
	}
}

func histogram(h *red.Histogram, examples []red.Example) telemetry.Histogram {
	out := telemetry.Histogram{Count: h.Count(), Sum: h.Sum(), Buckets: h.Cumulative()}
	for _, e := range examples {
		labels := map[string]string{"trace_id": hex.EncodeToString(e.Trace[:])}
		if e.Span != [8]byte{} {
			labels["span_id"] = hex.EncodeToString(e.Span[:])
		}
		out.Exemplars = append(out.Exemplars, telemetry.Exemplar{Value: e.Duration.Seconds(), Time: e.Time, Labels: labels})
	}
	return out
}
