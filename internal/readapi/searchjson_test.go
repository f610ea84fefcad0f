package readapi

import (
	"bytes"
	"testing"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/grafana/tempo/pkg/tempopb"

	"appliance/internal/traceql"
)

// The JSON of a trace that was found is what protobuf's mapping says, for which
// jsonpb stands.
func TestFoundTraceJSON(t *testing.T) {
	attrs := []traceql.NamedValue{
		{Name: "s", Value: []traceql.Value{traceql.StringValue("a<\"\n☃\xff")}},
		{Name: "", Value: []traceql.Value{traceql.IntValue(-1 << 63)}},
		{Name: "list", Value: []traceql.Value{traceql.FloatValue(0.5), traceql.BoolValue(true)}},
		{Name: "none"},
	}
	full := traceql.FoundTrace{
		ID: [16]byte{0, 1}, RootService: "front", RootName: "GET \\ <x>", Start: 1795878000000000001, Duration: 2_500_000_000,
		Services: []traceql.Service{{Name: "z\"", Spans: 3, Errors: 1}, {Name: "a", Spans: 2}, {Name: ""}},
		SpanSets: []traceql.FoundSpanSet{
			{Matched: 7, Attributes: attrs, Spans: []traceql.FoundSpan{{ID: [8]byte{1}, Name: "x", Start: 1, Duration: 2, Attributes: attrs}, {}}},
			{},
		},
	}
	negative := full
	negative.Duration = -1
	for name, c := range map[string]struct {
		trace traceql.FoundTrace
		shape searchShape
	}{
		"full": {full, searchShape{}}, "by tags": {full, searchShape{tracesOnly: true}},
		"empty": {}, "nothing but a trace": {shape: searchShape{tracesOnly: true}}, "negative": {trace: negative},
	} {
		m := c.shape.trace(&c.trace)
		var want bytes.Buffer
		if err := new(jsonpb.Marshaler).Marshal(&want, m); err != nil {
			t.Fatal(err)
		}
		var w jsonWriter
		w.foundTrace(m)
		compareJSON(t, name, w.b, want.Bytes())
	}
	var bare jsonWriter
	if bare.foundTrace(&tempopb.TraceSearchMetadata{}); string(bare.b) != "{}" {
		t.Errorf("nothing is written as %s", bare.b)
	}
}
