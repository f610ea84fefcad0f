package monitoring

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/harness"
)

// bounds are those of the buckets on /metrics.
func bounds() []time.Duration {
	ms := []int{2, 4, 8, 16, 32, 64, 128, 256, 512, 1020, 2050, 4100}
	out := make([]time.Duration, len(ms))
	for i, n := range ms {
		out[i] = time.Duration(n) * time.Millisecond
	}
	return out
}

// figures are those of the spans with the same labels.
type figures struct {
	calls, count, seconds float64
	atMost                [12]float64 // the bounds
}

// connector is a Collector with the connector spanmetrics, and what it says.
type connector struct {
	address string // of OTLP/HTTP

	mu      sync.Mutex
	figures map[string]*figures // by labels as /metrics has them
	wrong   error
}

func startConnector(t *testing.T) *connector {
	t.Helper()
	c := &connector{address: harness.FreePort(t), figures: map[string]*figures{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collectormetrics.ExportMetricsServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			c.wrong = err
			return
		}
		c.take(&request)
	}))
	t.Cleanup(server.Close)
	config := filepath.Join(t.TempDir(), "collector.yaml")
	text := fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
connectors: {spanmetrics: {histogram: {unit: s, explicit: {buckets: [2ms, 4ms, 8ms, 16ms, 32ms, 64ms, 128ms, 256ms, 512ms, 1020ms, 2050ms, 4100ms]}}, metrics_flush_interval: 1s}}
exporters: {otlp_http: {endpoint: %q, compression: none, sending_queue: {enabled: false}}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [spanmetrics]}
    metrics: {receivers: [spanmetrics], exporters: [otlp_http]}
  telemetry: {metrics: {level: none}}
`, c.address, server.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := harness.StartProcess(t, "otelcol", exec.Command(harness.Peer(t, "otelcol"), "--config", config))
	harness.Eventually(t, patience, "otelcol listening", func() error {
		if !p.Alive() {
			t.Fatalf("otelcol has ended:\n%s", p.Output())
		}
		if !harness.Listens(c.address) {
			return fmt.Errorf("nothing listens on %s", c.address)
		}
		return nil
	})
	return c
}

// take takes what was exported last for what there is: it is cumulative.
func (c *connector) take(r *collectormetrics.ExportMetricsServiceRequest) {
	for _, rm := range r.ResourceMetrics {
		of := func(point []*common.KeyValue) *figures {
			labels := map[string]string{}
			for _, kv := range append(rm.Resource.GetAttributes(), point...) {
				labels[kv.Key] = kv.Value.GetStringValue()
			}
			key := fmt.Sprintf("{service=%q,span_kind=%q,span_name=%q,status_code=%q}",
				labels["service.name"], labels["span.kind"], labels["span.name"], labels["status.code"])
			if c.figures[key] == nil {
				c.figures[key] = new(figures)
			}
			return c.figures[key]
		}
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				for _, p := range m.GetSum().GetDataPoints() {
					of(p.Attributes).calls = float64(p.GetAsInt())
				}
				for _, p := range m.GetHistogram().GetDataPoints() {
					c.histogram(of(p.Attributes), p)
				}
			}
		}
	}
}

func (c *connector) histogram(f *figures, p *metrics.HistogramDataPoint) {
	f.count, f.seconds = float64(p.Count), p.GetSum()
	if len(p.BucketCounts) != len(f.atMost)+1 {
		c.wrong = fmt.Errorf("%d buckets", len(p.BucketCounts))
		return
	}
	below := uint64(0)
	for i := range f.atMost {
		below += p.BucketCounts[i]
		f.atMost[i] = float64(below)
	}
}

// said is what it said so far.
func (c *connector) said(t *testing.T) map[string]figures {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrong != nil {
		t.Fatal(c.wrong)
	}
	out := map[string]figures{}
	for key, f := range c.figures {
		out[key] = *f
	}
	return out
}

// anySpans is a request of spans of all kinds and outcomes that took any time,
// also exactly that of a bucket's bound.
func anySpans(r *rand.Rand) *collector.ExportTraceServiceRequest {
	all := &collector.ExportTraceServiceRequest{}
	for _, service := range []string{"shop", "bank", "stock"} {
		request, _ := harness.NewRequest(service, 20, 10)
		for _, s := range request.ResourceSpans[0].ScopeSpans[0].Spans {
			s.Name = fmt.Sprintf("operation %d", r.IntN(4))
			s.Kind = trace.Span_SpanKind(1 + r.IntN(5))
			s.Status = &trace.Status{Code: trace.Status_StatusCode(r.IntN(3))}
			took := time.Duration(math.Exp(r.Float64() * 24)) // up to 26 s
			if r.IntN(4) == 0 {
				took = bounds()[r.IntN(12)] + time.Duration(r.IntN(3)-1)
			}
			s.EndTimeUnixNano = s.StartTimeUnixNano + uint64(took)
		}
		all.ResourceSpans = append(all.ResourceSpans, request.ResourceSpans...)
	}
	return all
}

// TestCollectorSpanmetrics gives the same requests to an appliance that keeps a
// hundredth of them and to a Collector with the connector spanmetrics: both have
// the same calls, errors, buckets and sums.
func TestCollectorSpanmetrics(t *testing.T) {
	const requests = 20
	c := startConnector(t)
	a := harness.Start(t, harness.Options{Env: map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": "0.01"}})
	r := rand.New(rand.NewPCG(7, 8))
	spans := 0.0
	for range requests {
		request := anySpans(r)
		spans += 600
		export(t, a, request)
		body, err := proto.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post("http://"+c.address+"/v1/traces", harness.Protobuf, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("the Collector answers %s", resp.Status)
		}
	}
	var theirs map[string]figures
	harness.Eventually(t, patience, "the Collector has counted all", func() error {
		calls, durations := 0.0, 0.0
		theirs = c.said(t)
		for _, f := range theirs {
			calls, durations = calls+f.calls, durations+f.count
		}
		if calls != spans || durations != spans {
			return fmt.Errorf("%v calls and %v durations of %v", calls, durations, spans)
		}
		return nil
	})
	var samples map[string]float64
	harness.Eventually(t, patience, "the appliance has counted all", func() error {
		calls := 0.0
		_, samples = a.Metrics(t)
		for sample, value := range samples {
			if strings.HasPrefix(sample, "traces_spanmetrics_calls_total") {
				calls += value
			}
		}
		if calls != spans {
			return fmt.Errorf("%v calls of %v", calls, spans)
		}
		return nil
	})
	if len(theirs) < 100 {
		t.Errorf("there are only %d series", len(theirs))
	}
	ours := 0
	for sample := range samples {
		if len(sample) > 30 && sample[:30] == "traces_spanmetrics_calls_total" {
			ours++
		}
	}
	if ours != len(theirs) {
		t.Errorf("there are %d series, and the Collector has %d", ours, len(theirs))
	}
	for labels, want := range theirs {
		got := figures{
			calls:   samples["traces_spanmetrics_calls_total"+labels],
			count:   samples["traces_spanmetrics_latency_count"+labels],
			seconds: samples["traces_spanmetrics_latency_sum"+labels],
		}
		for i, b := range bounds() {
			bucket := fmt.Sprintf("%s,le=\"%v\"}", labels[:len(labels)-1], b.Seconds())
			got.atMost[i] = samples["traces_spanmetrics_latency_bucket"+bucket]
		}
		if math.Abs(got.seconds-want.seconds) > 1e-9*want.seconds {
			t.Errorf("%s took %v s, and by the Collector %v", labels, got.seconds, want.seconds)
		}
		if got.seconds = want.seconds; got != want {
			t.Errorf("%s is %+v, and by the Collector %+v", labels, got, want)
		}
	}
}
