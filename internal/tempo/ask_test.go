package tempo

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// metricsOf serves a Tempo's /metrics.
func metricsOf(t *testing.T, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestMetricsOfATempo(t *testing.T) {
	base := metricsOf(t, `# HELP tempo_discarded_spans_total The total number of samples that were discarded.
# TYPE tempo_discarded_spans_total counter
tempo_discarded_spans_total{reason="trace_too_large",tenant="shop"} 3
tempo_discarded_spans_total{reason="live_traces_exceeded",tenant="shop"} 1e+06
tempo_discarded_spans_total{reason="trace_too_large",tenant="other"} 7
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.79591040212e+09
`)
	got, err := Ask(t.Context(), base)
	want := Process{Started: 1.79591040212e+09, Discarded: map[string]map[string]int64{
		"shop": {"trace_too_large": 3, "live_traces_exceeded": 1e6}, "other": {"trace_too_large": 7},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it says %v, %v, want %v", got, err, want)
	}
}

// Numbers that no Tempo has are left out.
func TestMetricsThatAreNotCounts(t *testing.T) {
	for _, n := range []string{"NaN", "+Inf", "-Inf", "-1", "1e300"} {
		got, err := Ask(t.Context(), metricsOf(t, `# TYPE tempo_discarded_spans_total counter
tempo_discarded_spans_total{reason="a",tenant="shop"} `+n+`
# TYPE process_start_time_seconds gauge
process_start_time_seconds 7
`))
		if err != nil || len(got.Discarded) != 0 {
			t.Errorf("%s: %v, %v", n, got, err)
		}
		if n == "1e300" {
			continue // a number that tells two processes apart
		}
		got, err = Ask(t.Context(), metricsOf(t, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds "+n+"\n"))
		if err == nil {
			t.Errorf("%s is when it started: %v", n, got)
		}
	}
}

func TestMetricsOfSomethingElse(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "does not say when its process started",
		"<html>login</html>":     "read Tempo's metrics",
		"up 1\nup{ 1\n":          "read Tempo's metrics",
		"# TYPE process gauge\n": "does not say when its process started",
	} {
		if run, err := Ask(t.Context(), metricsOf(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want: %s", text, run, err, want)
		}
	}
}
