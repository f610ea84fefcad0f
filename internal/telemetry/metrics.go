package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metric is a family whose samples are read when it is scraped.
type Metric struct {
	Name   string // appliance_<component>_<noun>_<unit>[_total]
	Help   string
	Labels []string
	// Read calls emit once a sample, with a value for each label.
	Read func(emit func(value float64, labels ...string))
}

func (m Metric) counter() bool {
	const suffix = "_total"
	return len(m.Name) > len(suffix) && m.Name[len(m.Name)-len(suffix):] == suffix
}

// Metrics is a registry of our own; the default one belongs to Tempo's code.
type Metrics struct{ registry *prometheus.Registry }

// NewMetrics registers the families and those of the Go runtime and the process.
func NewMetrics(families []Metric) (*Metrics, error) {
	m := &Metrics{registry: prometheus.NewRegistry()}
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newFamilies(families),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Handler serves /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

type families struct {
	metrics []Metric
	descs   []*prometheus.Desc
}

func newFamilies(metrics []Metric) *families {
	f := &families{metrics: metrics}
	for _, m := range metrics {
		f.descs = append(f.descs, prometheus.NewDesc(m.Name, m.Help, m.Labels, nil))
	}
	return f
}

// Describe implements prometheus.Collector.
func (f *families) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range f.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f *families) Collect(ch chan<- prometheus.Metric) {
	for i, m := range f.metrics {
		kind := prometheus.GaugeValue
		if m.counter() {
			kind = prometheus.CounterValue
		}
		m.Read(func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(f.descs[i], kind, value, labels...)
		})
	}
}
