package remotewrite

import (
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"appliance/internal/telemetry"
)

// families are of each kind, with labels that need care.
func families() []telemetry.Metric {
	labels := []string{"service", "a_first", "z_last"}
	histogram := telemetry.Histogram{
		Count: 7, Sum: 12.5, Buckets: map[float64]uint64{0.002: 1, 1.02: 3, 12.8: 5},
		Exemplars: []telemetry.Exemplar{
			{Value: 1, Time: time.UnixMilli(1000), Labels: map[string]string{"trace_id": "old"}},
			{Value: 1.02, Time: time.UnixMilli(2000), Labels: map[string]string{"trace_id": "new", "span_id": "s"}},
			{Value: 99, Time: time.UnixMilli(3000), Labels: map[string]string{"trace_id": "slow"}},
		},
	}
	return []telemetry.Metric{
		{Name: "calls_total", Help: "Calls.", Labels: labels, Read: func(emit func(float64, ...string)) {
			emit(3, "shop", "é \"quoted\"\n", "")
			emit(math.Inf(1), "", "", "")
		}},
		{Name: "waiting", Help: "Waiting.", Read: func(emit func(float64, ...string)) { emit(-0.5) }},
		{Name: "latency", Help: "How long.", Labels: labels, ReadHistograms: func(emit func(telemetry.Histogram, ...string)) {
			emit(histogram, "shop", "GET", "x")
			emit(telemetry.Histogram{Buckets: map[float64]uint64{0.002: 0, 1.02: 0, 12.8: 0}}, "bank", "", "")
		}},
	}
}

// scraped is what /metrics says of families, as Prometheus reads it: what has no
// value is not a label.
func scraped(t *testing.T, families []telemetry.Metric) map[string]float64 {
	t.Helper()
	m, err := telemetry.NewMetrics(families)
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	parsed, err := parser.TextToMetricFamilies(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for name, family := range parsed {
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		for _, m := range family.Metric {
			put := func(name string, value float64, more ...string) {
				labels := append(more, fmt.Sprintf("__name__=%q", name))
				for _, l := range m.Label {
					if l.GetValue() != "" {
						labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
					}
				}
				slices.Sort(labels)
				out[strings.Join(labels, ",")] = value
			}
			switch family.GetType() {
			case dto.MetricType_HISTOGRAM:
				for _, b := range m.Histogram.Bucket {
					le := fmt.Sprint(b.GetUpperBound())
					put(name+"_bucket", float64(b.GetCumulativeCount()), fmt.Sprintf("le=%q", le))
				}
				put(name+"_sum", m.Histogram.GetSampleSum())
				put(name+"_count", float64(m.Histogram.GetSampleCount()))
			case dto.MetricType_COUNTER:
				put(name, m.Counter.GetValue())
			default:
				put(name, m.Gauge.GetValue())
			}
		}
	}
	return out
}

// encode makes requests of families.
func encode(families []telemetry.Metric, sender map[string]string) (packed [][]byte) {
	e := encoder{send: func(request []byte, _ int) { packed = append(packed, snappy.Encode(nil, request)) }}
	for _, m := range families {
		e.describe(m)
	}
	for _, m := range families {
		e.family(newFamily(m, sender))
	}
	e.end()
	return packed
}

// TestSeriesAreThoseOfAScrape holds what is sent against what the scrape of the
// same families says.
func TestSeriesAreThoseOfAScrape(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	packed := encode(families(), nil)
	if len(packed) != 1 {
		t.Fatalf("%d requests", len(packed))
	}
	all, described := decode(t, packed[0])
	got := map[string]float64{}
	var exemplars []string
	for _, s := range all {
		if _, twice := got[s.labels]; twice {
			t.Errorf("%s is there twice", s.labels)
		}
		got[s.labels] = s.value
		if s.at.Before(before) || s.at.After(time.Now()) {
			t.Errorf("%s is of %v", s.labels, s.at)
		}
		for _, x := range s.exemplars {
			exemplars = append(exemplars, s.labels+" # "+x)
		}
	}
	if diff := cmp.Diff(scraped(t, families()), got); diff != "" {
		t.Error("scraped, and sent:", diff)
	}
	const labels = `__name__="latency_bucket",a_first="GET",le="%s",service="shop",z_last="x" # `
	want := []string{ // of the two in a bucket the newer one
		fmt.Sprintf(labels, "1.02") + "span_id=s trace_id=new 1.02 2000",
		fmt.Sprintf(labels, "+Inf") + "trace_id=slow 99 3000",
	}
	if diff := cmp.Diff(want, exemplars); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1 calls_total: Calls.", "2 waiting: Waiting.", "3 latency: How long."}, described); diff != "" {
		t.Error(diff)
	}
}

func TestLabelsOfTheSender(t *testing.T) {
	all, _ := decode(t, encode(families()[:1], map[string]string{"job": "appliance", "b": "1"})[0])
	if want := `__name__="calls_total",a_first="é \"quoted\"\n",b="1",job="appliance",service="shop"`; all[0].labels != want {
		t.Errorf("%s, want %s", all[0].labels, want)
	}
}

// TestRequestsAreBounded sends many series with long names: no request is larger
// than its bound and a histogram.
func TestRequestsAreBounded(t *testing.T) {
	const most = 20_000
	long := strings.Repeat("x", 256)
	family := telemetry.Metric{Name: "latency", Labels: []string{"service", "span_name"}, ReadHistograms: func(emit func(telemetry.Histogram, ...string)) {
		for i := range most {
			emit(telemetry.Histogram{Count: 1, Buckets: map[float64]uint64{1: 1}}, long, fmt.Sprint(long, i))
		}
	}}
	samples, largest, requests := 0, 0, 0
	e := encoder{send: func(request []byte, n int) {
		samples, largest, requests = samples+n, max(largest, len(request)), requests+1
		if n > maxSamples+4 {
			t.Errorf("%d samples in a request", n)
		}
	}}
	e.family(newFamily(family, nil))
	e.end()
	if samples != 4*most || largest > maxBytes+4<<10 || requests < 2 {
		t.Errorf("%d samples in %d requests of up to %d bytes", samples, requests, largest)
	}
}
