package telemetry

import (
	"net/http"
	"time"

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
	// ReadHistograms is there instead of Read where the family is of histograms.
	ReadHistograms func(emit func(h Histogram, labels ...string))
}

// Histogram is one sample of a family of histograms.
type Histogram struct {
	Count     uint64
	Sum       float64
	Buckets   map[float64]uint64 // how many are at most that; +Inf is Count
	Exemplars []Exemplar         // only a scraper that asks for OpenMetrics sees them
}

// Exemplar points from a bucket of a histogram to something that is in it.
type Exemplar struct {
	Value  float64
	Time   time.Time
	Labels map[string]string // of at most 128 characters in all
}

// Kind is the type of the family, as Prometheus calls it.
func (m Metric) Kind() string {
	switch {
	case m.ReadHistograms != nil:
		return "histogram"
	case m.counter():
		return "counter"
	}
	return "gauge"
}

func (m Metric) counter() bool {
	const suffix = "_total"
	return len(m.Name) > len(suffix) && m.Name[len(m.Name)-len(suffix):] == suffix
}

// Metrics is a registry of our own; libraries write into the default one.
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
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
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
		if m.ReadHistograms != nil {
			m.ReadHistograms(func(h Histogram, labels ...string) { ch <- constHistogram(f.descs[i], h, labels) })
			continue
		}
		kind := prometheus.GaugeValue
		if m.counter() {
			kind = prometheus.CounterValue
		}
		m.Read(func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(f.descs[i], kind, value, labels...)
		})
	}
}

func constHistogram(desc *prometheus.Desc, h Histogram, labels []string) prometheus.Metric {
	m := prometheus.MustNewConstHistogram(desc, h.Count, h.Sum, h.Buckets, labels...)
	if len(h.Exemplars) == 0 {
		return m
	}
	var exemplars []prometheus.Exemplar
	for _, e := range h.Exemplars {
		exemplars = append(exemplars, prometheus.Exemplar{Value: e.Value, Labels: e.Labels, Timestamp: e.Time})
	}
	with, err := prometheus.NewMetricWithExemplars(m, exemplars...)
	if err != nil { // their labels are too long
		return m
	}
	return with
}
