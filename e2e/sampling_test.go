package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/harness"
)

// TestSamplingAgrees sends the same traces through an appliance at 10 %,
// through two in a row of which the second has 10 %, and through a real
// Collector at 10 %. All have to keep the very same traces.
func TestSamplingAgrees(t *testing.T) {
	const requests, traces, spans = 20, 500, 2
	alone, row, other := harness.NewBackend(t), harness.NewBackend(t), harness.NewBackend(t)
	single := startCollecting(t, alone.URL, "0.1")
	second := startCollecting(t, row.URL, "0.1")
	first := startCollecting(t, "http://"+second.Intake, "0.5")
	targets := []string{single.IntakeURL(), first.IntakeURL(), startCollector(t, other.URL)}

	for range requests {
		request, _ := harness.NewRequest("sampled", traces, spans)
		for _, url := range targets {
			sendTo(t, url, request)
		}
	}
	// the Collector, without a queue, has delivered when it answers
	for _, a := range []*harness.Appliance{single, first, second} {
		a.Delivered(t, time.Minute)
	}

	kept := alone.Traces()
	share := float64(len(kept)) / (requests * traces)
	t.Logf("kept %.2f %% of %d traces", 100*share, requests*traces)
	if share < 0.085 || share > 0.115 { // five standard deviations
		t.Errorf("kept %.2f %%, not about 10", 100*share)
	}
	for id, n := range kept {
		if n != spans {
			t.Fatalf("trace %s was kept with %d of %d spans", id, n, spans)
		}
	}
	for name, b := range map[string]*harness.Backend{"two appliances in a row": row, "the Collector": other} {
		if got := b.Traces(); !maps.Equal(got, kept) {
			t.Errorf("%s kept %d traces, one appliance %d, and not the same ones", name, len(got), len(kept))
		}
	}
}

// TestSamplingIsSetAsForJaeger starts an appliance with what the origin document's job sets.
func TestSamplingIsSetAsForJaeger(t *testing.T) {
	backend := harness.NewBackend(t)
	a := harness.Start(t, harness.Options{Env: merged(backend.Env(), map[string]string{
		"JAEGER_SAMPLER_TYPE":  "probabilistic",
		"JAEGER_SAMPLER_PARAM": "0",
	})})
	request, _ := harness.NewRequest("dropped", 100, 1)
	sendTo(t, a.IntakeURL(), request)
	if l := a.Account(t); l.Received != 100 || l.Kept != 0 {
		t.Errorf("of 100 spans sent at JAEGER_SAMPLER_PARAM=0: %+v", l)
	}
	if n := backend.Spans(); n != 0 {
		t.Errorf("%d spans at the backend at JAEGER_SAMPLER_PARAM=0", n)
	}
	harness.MustContain(t, a.Output(), "JAEGER_SAMPLER_PARAM")
}

// TestReload changes the configuration file of a running appliance: what is
// valid holds from then on, what is not changes nothing.
func TestReload(t *testing.T) {
	backend := harness.NewBackend(t)
	file := filepath.Join(t.TempDir(), "appliance.yaml")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sampler: {probability: 1}\n")
	a := harness.Start(t, harness.Options{
		Args: []string{"--config", file},
		Env:  backend.Env(),
	})
	// keeps sends a trace and tells whether it was kept.
	keeps := func() bool {
		t.Helper()
		before := backend.Spans()
		request, _ := harness.NewRequest("reload", 1, 1)
		sendTo(t, a.IntakeURL(), request)
		a.Delivered(t, patience)
		return backend.Spans() > before
	}
	becomes := func(want bool) {
		t.Helper()
		harness.Eventually(t, 10*time.Second, "configuration taken over", func() error {
			if got := keeps(); got != want {
				return fmt.Errorf("kept: %t, want %t", got, want)
			}
			return nil
		})
	}
	if !keeps() {
		t.Fatal("nothing is kept at probability 1")
	}
	write("sampler: {probability: 0}\n")
	a.Signal(t, syscall.SIGHUP)
	becomes(false)

	write("sampler: {probability: 1}\nnonsense: 1\n")
	a.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, 10*time.Second, "mistake reported", func() error {
		if !bytes.Contains([]byte(a.Output()), []byte("2:1")) {
			return fmt.Errorf("the output does not name its place")
		}
		return nil
	})
	if keeps() {
		t.Error("half of a broken file was taken over")
	}

	write("sampler: {probability: 1}\n") // noticed without a signal
	becomes(true)
}

func startCollecting(t *testing.T, backend, probability string) *harness.Appliance {
	t.Helper()
	return harness.Start(t, harness.Options{Env: map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL":      backend,
		"APPLIANCE_FORWARDER_DRAIN_DEADLINE": "1s",
		"APPLIANCE_SAMPLER_PROBABILITY":      probability,
	}})
}

// startCollector starts an OpenTelemetry Collector that keeps 10 %, and returns where to send to.
func startCollector(t *testing.T, backend string) string {
	t.Helper()
	addr := harness.FreePort(t)
	config := writeFile(t, "collector.yaml", fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
processors: {probabilistic_sampler: {mode: equalizing, sampling_percentage: 10}}
exporters: {otlp_http: {endpoint: %q, sending_queue: {enabled: false}}}
service:
  pipelines: {traces: {receivers: [otlp], processors: [probabilistic_sampler], exporters: [otlp_http]}}
  telemetry: {metrics: {level: none}}
`, addr, backend))
	harness.StartProcess(t, "otelcol", exec.Command(harness.Peer(t, "otelcol"), "--config", config))
	harness.Eventually(t, 30*time.Second, "otelcol listening", func() error {
		if !harness.Listens(addr) {
			return fmt.Errorf("nothing listens on %s", addr)
		}
		return nil
	})
	return "http://" + addr + "/v1/traces"
}

func sendTo(t *testing.T, url string, r *collector.ExportTraceServiceRequest) {
	t.Helper()
	body, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = asProtobuf
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("send: %s", resp.Status)
	}
}
