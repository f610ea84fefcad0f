package tempo

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// series has a value for each step of a second, from 1 on. NaN is no sample.
func series(name string, values ...float64) traceql.MetricSeries {
	s := traceql.MetricSeries{
		Labels: []traceql.MetricLabel{{Name: "name", Value: traceql.StringValue(name)}},
	}
	for i, v := range values {
		if !math.IsNaN(v) {
			at := int64(i+1) * 1000
			s.Samples = append(s.Samples, traceql.MetricSample{Time: at, Value: v})
			s.Exemplars = append(s.Exemplars, traceql.MetricExemplar{Time: at + 500, Value: v})
		}
	}
	return s
}

func samples(all []traceql.MetricSeries) string {
	var out []string
	for _, s := range all {
		text := s.Labels[0].Value.Str
		for _, sample := range s.Samples {
			text += fmt.Sprintf(" %d=%g", sample.Time/1000, sample.Value)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// Each step is of one of both, so that what both have counts once.
func TestEachSpanCountsOnce(t *testing.T) {
	no := math.NaN()
	type all = []traceql.MetricSeries
	for name, c := range map[string]struct {
		query            string
		remote, archived all
		want             string
	}{
		"purged, shared, new": {"count_over_time()", all{series("a", 0, 3, 2)}, all{series("a", 7, 3)}, "a 1=7 2=3 3=2"},
		"not archived yet":    {"rate()", all{series("a", no, 5, 1)}, all{series("a", 7, 3, 4)}, "a 1=7 2=5 3=4"},
		"series of a step stay together": {
			"count_over_time()", all{series("a", 1, 1), series("b", 1, 3)}, all{series("a", 2, 2), series("c", 2, 1)},
			"a 1=2 2=1; b 2=3; c 1=2",
		},
		"a Tempo without a generator":  {"rate()", nil, all{series("a", 1, 0, 2)}, "a 1=1 2=0 3=2"},
		"an archive that has nothing":  {"rate()", all{series("a", 1, 0)}, nil, "a 1=1 2=0"},
		"values of which none can add": {"max_over_time(duration)", all{series("a", 9, 8, 7, 6)}, all{series("a", 5, 4, 3)}, "a 1=5 2=4 3=7 4=6"},
		"a gap in the archive":         {"avg_over_time(duration)", all{series("a", 9, 8, 7)}, all{series("a", 5, no, 3)}, "a 1=5 2=8 3=7"},
		"nothing new in Tempo":         {"min_over_time(duration)", all{series("a", 9, 0, 0)}, all{series("a", 5, 4, 3)}, "a 1=5 2=4 3=3"},
		"not a number":                 {"avg_over_time(span.n)", all{series("a")}, all{series("a", 1, 2)}, "a 1=1 2=2"},
	} {
		b := Both(&source{series: c.remote}, &source{series: c.archived})
		r := readapi.MetricsRequest{
			Query:     parse(t, "{ } | "+c.query),
			Start:     1e9,
			End:       5e9,
			Step:      time.Second,
			Exemplars: 100,
		}
		answer, err := b.Metrics(t.Context(), r)
		if err != nil || samples(answer.Series) != c.want || len(answer.Missing) > 0 {
			t.Errorf(
				"%s: %q %v %v, want %q",
				name,
				samples(answer.Series),
				answer.Missing,
				err,
				c.want,
			)
		}
		for _, s := range answer.Series {
			if len(s.Exemplars) != len(s.Samples) {
				t.Errorf("%s: %d exemplars of %d samples", name, len(s.Exemplars), len(s.Samples))
			}
		}
	}
}

// An instant is one step. Where both have spans of it, the answer says that it may
// lack some.
func TestAnInstantIsOfTheOneThatHasMore(t *testing.T) {
	one := func(v float64) []traceql.MetricSeries { return []traceql.MetricSeries{series("a", v)} }
	for name, c := range map[string]struct {
		remote, archived []traceql.MetricSeries
		want             string
		partial          bool
	}{
		"more in Tempo":      {one(9), one(5), "a 1=9", true},
		"more archived":      {one(5), one(9), "a 1=9", true},
		"only archived":      {nil, one(9), "a 1=9", false},
		"only in Tempo":      {one(9), nil, "a 1=9", false},
		"zeros say nothing":  {one(0), one(9), "a 1=9", false},
		"nothing is nothing": {nil, nil, "", false},
	} {
		b := Both(&source{series: c.remote}, &source{series: c.archived})
		answer, err := b.Metrics(
			t.Context(),
			readapi.MetricsRequest{
				Query: parse(t, "{ } | count_over_time()"),
				Start: 1e9,
				End:   5e9,
			},
		)
		if err != nil || samples(answer.Series) != c.want ||
			(len(answer.Missing) > 0) != c.partial {
			t.Errorf(
				"%s: %q %v %v, want %q",
				name,
				samples(answer.Series),
				answer.Missing,
				err,
				c.want,
			)
		}
	}
}

// No more series and exemplars than were asked for.
func TestMetricsAreBounded(t *testing.T) {
	b := Both(
		&source{series: []traceql.MetricSeries{series("a", 1, 1), series("b", 1, 1)}},
		&source{},
	)
	r := readapi.MetricsRequest{
		Query:     parse(t, "{ } | rate()"),
		Start:     1e9,
		End:       5e9,
		Step:      time.Second,
		MaxSeries: 1,
		Exemplars: 1,
	}
	answer, err := b.Metrics(t.Context(), r)
	if err != nil || len(answer.Series) != 1 || len(answer.Series[0].Exemplars) != 1 {
		t.Error(answer, err)
	}
}
