package tempo

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
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
	got, err := Discards(t.Context(), base, "shop")
	if want := map[string]int64{"trace_too_large": 3, "live_traces_exceeded": 1e6}; err != nil || !maps.Equal(got, want) {
		t.Errorf("discarded are %v, %v, want %v", got, err, want)
	}
	if run, err := Process(t.Context(), base); err != nil || run != "1.79591040212e+09" {
		t.Errorf("its run is %q, %v", run, err)
	}
}

func TestMetricsOfSomethingElse(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "does not say when its process started",
		"<html>login</html>":     "read Tempo's metrics",
		"up 1\nup{ 1\n":          "read Tempo's metrics",
		"# TYPE process gauge\n": "does not say when its process started",
	} {
		if run, err := Process(t.Context(), metricsOf(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want: %s", text, run, err, want)
		}
	}
}
