package sampler

import (
	"encoding/hex"
	"testing"

	"appliance/internal/otlpwire"
)

func TestThinComposesThresholds(t *testing.T) {
	const tenth, twentieth = Threshold(0xe6660000000000), Threshold(0xf3330000000000)
	for _, c := range []struct {
		name, id, state string
		threshold       Threshold
		keep            bool
		want            string // the tracestate afterwards
	}{
		{"nothing came", "0000000000000000" + "00f4000000000000", "", twentieth, true, "ot=th:f333"},
		{"left out", "0000000000000000" + "00f0000000000000", "", twentieth, false, ""},
		{"a weaker one came", "0000000000000000" + "00f4000000000000", "ot=th:e666", twentieth, true, "ot=th:f333"},
		{"a stricter one came", "0000000000000000" + "00f4000000000000", "ot=th:f333", tenth, true, "ot=th:f333"},
		{"all is kept", "0000000000000000" + "0010000000000000", "x=1", Always, true, "x=1"},
		{"all is kept of a share", "0000000000000000" + "00f4000000000000", "ot=th:e666,x=1", Always, true, "ot=th:e666,x=1"},
		{"rv counts", "0000000000000000" + "0010000000000000", "ot=rv:f4000000000000", twentieth, true, "ot=rv:f4000000000000;th:f333"},
		{"rv counts against", "0000000000000000" + "00f4000000000000", "ot=rv:10000000000000", twentieth, false, ""},
		{"none is kept", "0000000000000000" + "00ffffffffffffff", "", Never, false, ""},
	} {
		id, err := hex.DecodeString(c.id)
		if err != nil {
			t.Fatal(err)
		}
		v, _ := Thin(c.threshold, &otlpwire.Span{TraceID: id, TraceState: []byte(c.state)}, nil)
		got := c.state
		if v.Rewrite {
			got = string(v.TraceState)
		}
		if v.Keep != c.keep || c.keep && got != c.want {
			t.Errorf("%s: kept %v with %q, want %v with %q", c.name, v.Keep, got, c.keep, c.want)
		}
	}
}
