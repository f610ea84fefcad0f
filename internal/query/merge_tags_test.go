package query

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/tempo/pkg/tempopb"
	commonv1 "github.com/grafana/tempo/pkg/tempopb/common/v1"
)

func TestTagsAreThoseOfTempoAndTheArchive(t *testing.T) {
	a := &fakeArchive{tags: map[string][]string{"span": {"a", "old"}}, values: []string{"x", "old"}}
	for _, c := range []struct{ path, live, want string }{
		{"/api/search/tags", `{"tagNames":["a","new"]}`, "a new old"},
		{"/api/v2/search/tags", `{"scopes":[{"name":"span","tags":["a","new"]},{"name":"resource","tags":["r"]}]}`, "a new old r resource span"},
		{"/api/search/tag/t/values", `{"tagValues":["x","new"],"unknown":1}`, "new old x"},
		{"/api/v2/search/tag/span.t%2Fu/values", `{"tagValues":[{"type":"string","value":"span.t/u=x"},{"type":"int","value":"5"}]}`, "5 int span.t/u=old span.t/u=x string string"},
	} {
		for _, live := range []liveTempo{{200, c.live, "application/json"}, {}} {
			code, body, header := get(t, "GET", both(t, live, Options{Archive: a}).URL+c.path, nil)
			got := words(t, body)
			switch {
			case code != 200:
				t.Errorf("%s: %d %s", c.path, code, body)
			case live.status == 200 && (got != c.want || header.Get(PartialHeader) != ""):
				t.Errorf("%s: %s, want %s (%v)", c.path, got, c.want, header)
			case live.status == 0 && (!strings.Contains(got, "old") || strings.Contains(got, "new") || header.Get(PartialHeader) == ""):
				t.Errorf("%s with no Tempo: %s (%v)", c.path, got, header)
			}
		}
	}
}

// words are the strings in a JSON document, without the keys and the metrics, sorted.
func words(t *testing.T, text string) string {
	t.Helper()
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for key, e := range v {
				if key != "metrics" {
					walk(e)
				}
			}
		}
	}
	walk(doc)
	slices.Sort(out)
	return strings.Join(out, " ")
}

func series(labels string, values ...float64) *tempopb.TimeSeries {
	s := &tempopb.TimeSeries{PromLabels: labels, Labels: []commonv1.KeyValue{{Key: "l", Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: labels}}}}}
	for i, v := range values {
		s.Samples = append(s.Samples, tempopb.Sample{TimestampMs: int64(i+1) * 1000, Value: v})
	}
	return s
}

func TestMetricsAreTheArchivesAndThenTempos(t *testing.T) {
	const path = "/api/metrics/query_range?q=%7B%7D%7Crate()&step=1"
	a := func() *fakeArchive { return &fakeArchive{series: []*tempopb.TimeSeries{series("x", 5, 5, 2, 0, 0)}} }
	ask := func(live liveTempo, a *fakeArchive) (map[string][]float64, *tempopb.QueryRangeResponse) {
		t.Helper()
		code, body, _ := get(t, "GET", both(t, live, Options{Archive: a}).URL+path, nil)
		resp := &tempopb.QueryRangeResponse{}
		if err := fromJSON([]byte(body), resp); code != 200 || err != nil {
			t.Fatalf("%d %s %v", code, body, err)
		}
		out := map[string][]float64{}
		for _, s := range resp.Series {
			for _, sample := range s.Samples {
				out[s.PromLabels] = append(out[s.PromLabels], sample.Value)
			}
		}
		return out, resp
	}
	live := liveTempo{200, asJSON(t, &tempopb.QueryRangeResponse{Series: []*tempopb.TimeSeries{series("x", 0, 1, 4, 4, 4), series("y", 9, 0, 1, 1, 1)}}), "application/json"}
	got, resp := ask(live, a())
	if !slices.Equal(got["x"], []float64{5, 5, 4, 4, 4}) || !slices.Equal(got["y"], []float64{1, 1, 1}) || resp.Status != tempopb.PartialStatus_COMPLETE {
		t.Errorf("%v %s", got, resp.Status)
	}
	for _, live := range []liveTempo{{}, {404, "", ""}, {500, "", ""}, {400, "no generator for metrics", ""}} {
		got, resp := ask(live, a())
		if !slices.Equal(got["x"], []float64{5, 5, 2, 0, 0}) || resp.Status != tempopb.PartialStatus_PARTIAL {
			t.Errorf("%v: %v %s %s", live, got, resp.Status, resp.Message)
		}
	}
	code, body, _ := get(t, "GET", both(t, liveTempo{400, "tempo says no", ""}, Options{Archive: &fakeArchive{err: badQuestion{errors.New("x")}}}).URL+path, nil)
	if code != 400 || body != "tempo says no" {
		t.Errorf("%d %s", code, body)
	}
}

// What Tempo says of its own answer is said of the joined one, whether the archive answers or not.
func TestPartialMetricsOfTemposStayPartial(t *testing.T) {
	live := func() *tempopb.QueryRangeResponse {
		return &tempopb.QueryRangeResponse{Series: []*tempopb.TimeSeries{series("x", 1)}, Status: tempopb.PartialStatus_PARTIAL, Message: "too many series"}
	}
	archived := &tempopb.QueryRangeResponse{Series: []*tempopb.TimeSeries{series("x", 5)}, Status: tempopb.PartialStatus_PARTIAL, Message: "block b is damaged"}
	whole := &tempopb.QueryRangeResponse{Series: []*tempopb.TimeSeries{series("x", 5)}}
	for _, c := range []struct {
		parts   []*tempopb.QueryRangeResponse
		missing []error
		want    string
	}{
		{[]*tempopb.QueryRangeResponse{live(), whole}, nil, "too many series"},
		{[]*tempopb.QueryRangeResponse{live(), archived}, []error{errors.New("block b is damaged")}, "block b is damaged\ntoo many series"},
		{[]*tempopb.QueryRangeResponse{live()}, []error{errors.New("no archive")}, "no archive\ntoo many series"},
	} {
		if got, err := joinSeries(c.parts, c.missing); err != nil || got.Status != tempopb.PartialStatus_PARTIAL || got.Message != c.want {
			t.Errorf("%s %q, want %q", got.Status, got.Message, c.want)
		}
	}
}
