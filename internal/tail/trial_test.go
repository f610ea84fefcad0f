package tail

import (
	"math/rand/v2"
	"testing"
)

// TestTrialSaysWhatLineDoes on the same traces.
func TestTrialSaysWhatLineDoes(t *testing.T) {
	rules := append(everyday().Rules[:3:3], Rule{Name: "rest", Keep: Keep{SpansPerSecond: 50}})
	trial, err := NewTrial(rules, threshold)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	want := map[string]int64{}
	spans := 0
	for i := range uint64(20_000) { // in 100 seconds
		s := sp{trace: i, id: i, name: "work", start: int64(i) * 5, end: int64(i)*5 + 10, failed: i%10 == 0}
		rule := "rest"
		switch {
		case s.failed:
			rule = "errors"
		case r.IntN(10) == 0:
			s.name, rule = "GET /ping", "health"
		}
		want[rule]++
		spans++
		if err := trial.Add("a", request(s)); err != nil {
			t.Fatal(err)
		}
	}
	for _, got := range trial.Result(0) {
		if got.Traces != want[got.Name] {
			t.Errorf("rule %q has %d traces, want %d", got.Name, got.Traces, want[got.Name])
		}
		low, high := got.Traces, got.Traces
		switch got.Name {
		case "health":
			low, high = 0, 0
		case "rest":
			low, high = 4500, 5500
		}
		if got.KeptTraces < low || got.KeptTraces > high || got.KeptSpans != got.KeptTraces {
			t.Errorf("rule %q keeps %d traces and %d spans, want %d to %d", got.Name, got.KeptTraces, got.KeptSpans, low, high)
		}
	}
	half := trial.Result((epoch + 50_000) * 1e6)
	if n := half[0].Traces; n != want["errors"]/2 {
		t.Errorf("%d failed traces of the second half, want %d", n, want["errors"]/2)
	}
}
