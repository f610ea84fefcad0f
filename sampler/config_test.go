package sampler

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestValidateSaysWhatToDo(t *testing.T) {
	for _, v := range []struct {
		name   string
		config Config
		want   []string // each a line
	}{
		{"default", Default(), nil},
		{"zero value", Config{}, nil},
		{"all fields", Config{Mode: HashSeed, Probability: 0.5, Precision: 14, HashSeed: 22, Services: map[string]float64{"a": 1, "b": 0}, TargetSpansPerSecond: 0.5, Window: time.Second}, nil},
		{"per cent", Config{Probability: 10}, []string{"sampler.probability: 10 is not between 0 and 1; for 10 % write 0.1"}},
		{"negative", Config{Probability: -0.1}, []string{"sampler.probability: -0.1 is not between 0 and 1"}},
		{"not a number", Config{Probability: math.NaN()}, []string{"sampler.probability: NaN is not between 0 and 1"}},
		{"too small", Config{Probability: 1e-18}, []string{"sampler.probability: probability 1e-18 is neither 0 nor between 2^-56 and 1"}},
		{"too small for 14 bits", Config{Probability: 1e-5, Mode: HashSeed}, []string{"sampler.probability: probability 1e-05 is below 1/16384, the least that hash_seed can tell from 0; use equalizing"}},
		{"mode", Config{Mode: "fair", HashSeed: 1}, []string{`sampler.mode: "fair" is unknown; use equalizing, proportional or hash_seed`}},
		{"seed without its mode", Config{HashSeed: 22}, []string{"sampler.hash_seed: 22 has no effect in mode equalizing; remove it, or set mode to hash_seed"}},
		{"precision", Config{Precision: 15}, []string{"sampler.precision: 15 is not between 1 and 14; 4 suits nearly everyone"}},
		{"target", Config{TargetSpansPerSecond: math.Inf(1)}, []string{"sampler.target_spans_per_second: +Inf is not a rate; use a number above 0, or 0 for no target"}},
		{"window", Config{Window: time.Millisecond}, []string{"sampler.window: 1ms is not between 100ms and 1h0m0s; 10s suits nearly everyone"}},
		{"everything at once", Config{Precision: -1, Probability: 2, TargetSpansPerSecond: -1, Services: map[string]float64{"b": 50, "a": -1, "": 1}}, []string{
			"sampler.precision: -1 is not between 1 and 14; 4 suits nearly everyone",
			"sampler.target_spans_per_second: -1 is not a rate; use a number above 0, or 0 for no target",
			"sampler.probability: 2 is not between 0 and 1; for 2 % write 0.02",
			"sampler.services: a service without a name; spans without service.name follow sampler.probability",
			"sampler.services.a: -1 is not between 0 and 1",
			"sampler.services.b: 50 is not between 0 and 1; for 50 % write 0.5",
		}},
	} {
		err := v.config.Validate()
		got := ""
		if err != nil {
			got = err.Error()
		}
		if want := strings.Join(v.want, "\n"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", v.name, got, want)
		}
		if _, err := New(v.config); (err == nil) != (len(v.want) == 0) {
			t.Errorf("%s: new: %v", v.name, err)
		}
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	got := mustNew(t, Config{Probability: 1}).Config()
	want := Default()
	if got.Mode != want.Mode || got.Precision != want.Precision || got.Window != want.Window || got.Probability != 1 {
		t.Errorf("%+v, want %+v", got, want)
	}
}
