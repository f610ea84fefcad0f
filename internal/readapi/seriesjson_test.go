package readapi

import (
	"bytes"
	"math"
	"testing"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/grafana/tempo/pkg/tempopb"

	"appliance/internal/traceql"
)

// The JSON of a series is what protobuf's mapping says, for which jsonpb stands.
func TestSeriesJSON(t *testing.T) {
	labels := []traceql.MetricLabel{
		{Name: "s", Value: traceql.StringValue("a<\"\n☃")}, {Name: "i", Value: traceql.IntValue(-1 << 63)},
		{Name: "f", Value: traceql.FloatValue(1e-9)}, {Name: "b", Value: traceql.BoolValue(true)}, {Name: "none"},
	}
	for name, s := range map[string]traceql.MetricSeries{
		"full": {
			Labels: labels,
			Samples: []traceql.MetricSample{
				{}, {Time: 1795878000000, Value: 0.1}, {Time: -1, Value: math.NaN()},
				{Time: 1, Value: math.Inf(1)}, {Time: 2, Value: math.Inf(-1)}, {Time: 3, Value: 1e300}, {Time: 4, Value: 123456789012},
			},
			Exemplars: []traceql.MetricExemplar{{TraceID: [16]byte{1}, Time: 5, Value: 6.5}, {}},
		},
		"empty": {},
	} {
		series := timeSeries(&s)
		var want bytes.Buffer
		if err := new(jsonpb.Marshaler).Marshal(&want, series); err != nil {
			t.Fatal(err)
		}
		var w jsonWriter
		w.timeSeries(series)
		compareJSON(t, name, w.b, want.Bytes())
	}
	// Clients sort by the text of a label.
	for f, want := range map[float64]string{1.024e-6: "0.000001024", 1e6: "1000000", 1e-9: "1e-9"} {
		var w jsonWriter
		if w.float(f); string(w.b) != want {
			t.Errorf("%v is written as %s, want %s", f, w.b, want)
		}
	}
	var bare jsonWriter
	if bare.timeSeries(&tempopb.TimeSeries{}); string(bare.b) != "{}" {
		t.Errorf("nothing is written as %s", bare.b)
	}
}
