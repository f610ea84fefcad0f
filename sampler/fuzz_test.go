package sampler

import (
	"encoding/hex"
	"testing"

	"appliance/internal/otlpwire"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
)

// FuzzTraceState reads and rewrites tracestates beside the Collector's library, and
// holds what must be true of any decision on them.
func FuzzTraceState(f *testing.F) {
	id, _ := hex.DecodeString("4bf92f3577b34da6a3ce929d0e0e4736")
	for _, ts := range []string{
		"", "ot=th:8", "ot=th:8;rv:11223344556677,a=1", "a=1, ot=x:1;th:80 ,b@c= 2", "ot=th:ffffffffffffff",
		"ot=rv:ffffffffffffff;th:fffffffffffffe", ",ot=a:,,ot=th:0,", "ot=th:8;", "a=\t", "ot=rv:1",
	} {
		f.Add(ts, id, uint64(0xe666<<40), 0.1, uint8(0))
		f.Add(ts, id, uint64(0), 0.5, uint8(1))
		f.Add(ts, id, uint64(1), 1., uint8(2))
	}
	f.Fuzz(func(t *testing.T, ts string, id []byte, th uint64, p float64, how uint8) {
		checkTraceState(t, ts, Threshold(th%randomBound))

		mode := []Mode{Equalizing, Proportional, HashSeed}[how%3]
		rate, err := NewRate(mode, p, 1+int(how/3%14), uint32(th))
		if err != nil {
			return
		}
		raised := Threshold(th%randomBound) * Threshold(how>>7)
		sp := otlpwire.Span{TraceID: id, TraceState: []byte(ts)}
		if how&0x40 != 0 {
			sp.HasPriority, sp.Priority = true, p-0.5
		}
		checkDecision(t, &rate, raised, &sp)
	})
}

// checkDecision holds what is true of every decision.
func checkDecision(t testing.TB, rate *Rate, raised Threshold, sp *otlpwire.Span) Decision {
	ts := string(sp.TraceState)
	d := Decide(rate, raised, sp)
	if again := Decide(rate, raised, sp); again != d {
		t.Fatalf("%q: %+v, then %+v", ts, d, again)
	}
	if d.Keep != d.Reason.Keeps() {
		t.Fatalf("%q: keep is %v for reason %v", ts, d.Keep, d.Reason)
	}
	forced := d.Reason == KeptPriority || d.Reason == DroppedPriority
	if !forced && d.Keep != (d.Randomness >= Randomness(d.Threshold)) {
		t.Fatalf("%q: keep is %v with randomness %v and threshold %v", ts, d.Keep, d.Randomness, d.Threshold)
	}
	if !forced && d.Threshold < raised {
		t.Fatalf("%q: threshold %v is below what it was raised to, %v", ts, d.Threshold, raised)
	}
	if d.hasIncoming() && !d.Inconsistent && d.Threshold < d.state.th {
		t.Fatalf("%q: threshold %v lowers %v", ts, d.Threshold, d.state.th)
	}
	if !d.Keep {
		return d
	}
	out := string(d.AppendTraceState(nil, sp.TraceState))
	if string(sp.TraceState) != ts {
		t.Fatalf("%q was written to", ts)
	}
	if d.Rewrites() == (out == ts) {
		t.Fatalf("%q becomes %q, and rewrites is %v", ts, out, d.Rewrites())
	}
	in, err := sampling.NewW3CTraceState(ts)
	if err != nil {
		if out != ts {
			t.Fatalf("%q cannot be read and becomes %q", ts, out)
		}
		return d
	}
	got, err := sampling.NewW3CTraceState(out)
	if err != nil {
		t.Fatalf("%q becomes %q, which the Collector cannot read: %v", ts, out, err)
	}
	if got.OTelValue().RValue() != in.OTelValue().RValue() {
		t.Fatalf("%q becomes %q: rv differs", ts, out)
	}
	checkTH(t, ts, out, &d, got.OTelValue())
	return d
}

// checkTH holds that th is what was applied, or is not there.
func checkTH(t testing.TB, ts, out string, d *Decision, got *sampling.OpenTelemetryTraceState) {
	th, has := got.TValueThreshold()
	want := Always
	if has {
		want = Threshold(th.Unsigned())
	}
	switch {
	case has && want != d.Threshold:
		t.Fatalf("%q becomes %q, but %v was applied", ts, out, d.Threshold)
	case has && d.Reason != KeptPriority && uint64(d.Randomness) < th.Unsigned():
		t.Fatalf("%q becomes %q, which is inconsistent with %v", ts, out, d.Randomness)
	case has && d.Source == FromHash && d.Reason != KeptPriority:
		t.Fatalf("%q becomes %q by a hash", ts, out)
	case !has && d.Threshold != Always && d.Reason == Kept && d.Source != FromHash:
		t.Fatalf("%q becomes %q: th %v is missing", ts, out, d.Threshold)
	case has && d.Reason == KeptUnmarked:
		t.Fatalf("%q becomes %q, but is called unmarked", ts, out)
	}
}
