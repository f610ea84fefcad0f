package monitoring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.opentelemetry.io/proto/otlp/trace/v1"

	"appliance/e2e/internal/harness"
)

const patience = 2 * time.Minute

// traffic sends requests of a shop that calls a bank, and counts what it sends
// without the appliance.
type traffic struct {
	r      *rand.Rand
	calls  map[string]float64 // by the labels as /metrics writes them
	failed int
	edges  int
}

func newTraffic() *traffic {
	return &traffic{r: rand.New(rand.NewPCG(1, 2)), calls: map[string]float64{}}
}

func (f *traffic) send(t *testing.T, a *harness.Appliance, traces int) {
	t.Helper()
	client, _ := harness.NewRequest("shop", traces, 2)
	server, _ := harness.NewRequest("bank", traces, 1)
	callers := client.ResourceSpans[0].ScopeSpans[0].Spans
	for i, s := range server.ResourceSpans[0].ScopeSpans[0].Spans {
		call := callers[2*i+1]
		call.Kind, call.Name = v1.Span_SPAN_KIND_CLIENT, fmt.Sprintf("POST %d", f.r.IntN(5))
		s.TraceId, s.ParentSpanId, s.Name = call.TraceId, call.SpanId, call.Name
		code := v1.Status_StatusCode(f.r.IntN(3))
		s.Status = &v1.Status{Code: code}
		f.edges++
		if code == v1.Status_STATUS_CODE_ERROR {
			f.failed++
		}
		f.count("shop", callers[2*i])
		f.count("shop", call)
		f.count("bank", s)
	}
	// Each side comes in a request of its own, as from two processes.
	for _, r := range []*collector.ExportTraceServiceRequest{client, server} {
		answer, err := a.Export(t.Context(), r)
		if err != nil || answer.Status != http.StatusOK {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
}

func (f *traffic) count(service string, s *v1.Span) {
	status := "STATUS_CODE_UNSET"
	if s.Status != nil {
		status = s.Status.Code.String()
	}
	f.calls[fmt.Sprintf("{service=%q,span_kind=%q,span_name=%q,status_code=%q}", service, s.Kind, s.Name, status)]++
}

// check compares one scrape with what was sent.
func (f *traffic) check(t *testing.T, a *harness.Appliance) error {
	t.Helper()
	_, samples := a.Metrics(t)
	var errs []error
	for labels, want := range f.calls {
		for _, name := range []string{"traces_spanmetrics_calls_total", "traces_spanmetrics_latency_count"} {
			if got := samples[name+labels]; got != want {
				errs = append(errs, fmt.Errorf("%s%s is %v, and %v were sent", name, labels, got, want))
			}
		}
	}
	const edge = `{client="shop",connection_type="",server="bank"}`
	if calls, failed := samples["traces_service_graph_request_total"+edge], samples["traces_service_graph_request_failed_total"+edge]; int(calls) != f.edges || int(failed) != f.failed {
		errs = append(errs, fmt.Errorf("the edge has %v calls, %v failed; sent were %d and %d", calls, failed, f.edges, f.failed))
	}
	return errors.Join(errs...)
}

// TestCountsAreExact holds /metrics of the real binary against what was sent, at
// several samplings, over kill -9. It comes at once after a scrape that has shown
// them: no number that was shown goes back.
func TestCountsAreExact(t *testing.T) {
	for _, probability := range []string{"1", "0.1", "0.01"} {
		t.Run(probability, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": probability}
			a := harness.Start(t, harness.Options{Env: env})
			f := newTraffic()
			for round := range 3 {
				for range 10 {
					f.send(t, a, 100)
				}
				// a disk that takes its time shows what was saved before
				harness.Eventually(t, patience, "all is counted", func() error { return f.check(t, a) })
				a.Kill(t)
				a = harness.Start(t, harness.Options{Env: env, DataDir: a.DataDir})
				if err := f.check(t, a); err != nil {
					t.Errorf("after kill %d: %v", round, err)
				}
			}
		})
	}
}

var exemplar = regexp.MustCompile(`# \{[^}]*trace_id="([0-9a-f]{32})"`)

// TestExemplarsAreKept asks for each trace that an exemplar names, at 10 %.
func TestExemplarsAreKept(t *testing.T) {
	a := harness.Start(t, harness.Options{Env: map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": "0.1"}})
	f := newTraffic()
	f.send(t, a, 300)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Read+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.HasSuffix(text, []byte("# EOF\n")) {
		t.Fatalf("no OpenMetrics: %v, %.200s", err, text)
	}
	found := exemplar.FindAllSubmatch(text, -1)
	if len(found) == 0 {
		t.Fatal("there are no exemplars")
	}
	for _, m := range found {
		harness.Eventually(t, patience, "a trace that an exemplar names", func() error {
			resp, err := http.Get("http://" + a.Read + "/api/traces/" + string(m[1]))
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					err = fmt.Errorf("%s is answered %s", m[1], resp.Status)
				}
			}
			return err
		})
	}
}
