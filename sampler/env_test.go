package sampler

import (
	"slices"
	"testing"
)

func TestEnvDefaults(t *testing.T) {
	const (
		otel, otelArg   = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
		jaeger, jaegerP = "JAEGER_SAMPLER_TYPE", "JAEGER_SAMPLER_PARAM"
	)
	for _, v := range []struct {
		env         map[string]string
		probability float64
		target      float64
		notes       []string
	}{
		{nil, 1, 0, nil},
		{map[string]string{otel: "always_on"}, 1, 0, []string{"OTEL_TRACES_SAMPLER=always_on: sampler.probability defaults to 1"}},
		{map[string]string{otel: "always_off"}, 0, 0, []string{"OTEL_TRACES_SAMPLER=always_off: sampler.probability defaults to 0, nothing is kept"}},
		{map[string]string{otel: "parentbased_always_on", otelArg: "0.5"}, 1, 0, []string{"OTEL_TRACES_SAMPLER=parentbased_always_on: sampler.probability defaults to 1"}},
		{map[string]string{otel: "parentbased_always_off"}, 0, 0, []string{"OTEL_TRACES_SAMPLER=parentbased_always_off: sampler.probability defaults to 0, nothing is kept"}},
		{map[string]string{otel: "traceidratio", otelArg: "0.25"}, 0.25, 0, []string{"OTEL_TRACES_SAMPLER=traceidratio, OTEL_TRACES_SAMPLER_ARG=0.25: sampler.probability defaults to 0.25"}},
		{map[string]string{otel: "parentbased_traceidratio", otelArg: " 1e-3 "}, 0.001, 0, []string{"OTEL_TRACES_SAMPLER=parentbased_traceidratio, OTEL_TRACES_SAMPLER_ARG=1e-3: sampler.probability defaults to 0.001"}},
		{map[string]string{otel: "traceidratio", otelArg: "0"}, 0, 0, []string{"OTEL_TRACES_SAMPLER=traceidratio, OTEL_TRACES_SAMPLER_ARG=0: sampler.probability defaults to 0"}},
		{map[string]string{otel: "traceidratio"}, 1, 0, []string{"OTEL_TRACES_SAMPLER=traceidratio without OTEL_TRACES_SAMPLER_ARG: sampler.probability defaults to 1"}},
		{map[string]string{otel: "traceidratio", otelArg: "10%"}, 1, 0, []string{"OTEL_TRACES_SAMPLER_ARG=10% is not a number from 0 to 1: sampler.probability defaults to 1"}},
		{map[string]string{otel: "traceidratio", otelArg: "10"}, 1, 0, []string{"OTEL_TRACES_SAMPLER_ARG=10 is not a number from 0 to 1: sampler.probability defaults to 1"}},
		{map[string]string{otel: "traceidratio", otelArg: "NaN"}, 1, 0, []string{"OTEL_TRACES_SAMPLER_ARG=NaN is not a number from 0 to 1: sampler.probability defaults to 1"}},
		{map[string]string{otelArg: "0.5"}, 1, 0, []string{"OTEL_TRACES_SAMPLER_ARG=0.5 is not used: OTEL_TRACES_SAMPLER is not set"}},
		{map[string]string{otel: "xray"}, 1, 0, []string{"OTEL_TRACES_SAMPLER=xray is not used: only always_on, always_off and traceidratio can be, alone or after parentbased_"}},
		{map[string]string{otel: "parentbased_"}, 1, 0, []string{"OTEL_TRACES_SAMPLER=parentbased_ is not used: it names no sampler"}},

		{map[string]string{jaeger: "probabilistic", jaegerP: "1"}, 1, 0, []string{"JAEGER_SAMPLER_TYPE=probabilistic, JAEGER_SAMPLER_PARAM=1: sampler.probability defaults to 1"}},
		{map[string]string{jaeger: "probabilistic", jaegerP: "0.1"}, 0.1, 0, []string{"JAEGER_SAMPLER_TYPE=probabilistic, JAEGER_SAMPLER_PARAM=0.1: sampler.probability defaults to 0.1"}},
		{map[string]string{jaeger: "probabilistic", jaegerP: "2"}, 1, 0, []string{"JAEGER_SAMPLER_TYPE=probabilistic is not used: JAEGER_SAMPLER_PARAM is 2, and not a number from 0 to 1"}},
		{map[string]string{jaeger: "probabilistic"}, 1, 0, []string{"JAEGER_SAMPLER_TYPE=probabilistic is not used: JAEGER_SAMPLER_PARAM is not set, and not a number from 0 to 1"}},
		{map[string]string{jaeger: "const", jaegerP: "1"}, 1, 0, []string{"JAEGER_SAMPLER_TYPE=const, JAEGER_SAMPLER_PARAM=1: sampler.probability defaults to 1"}},
		{map[string]string{jaeger: "const", jaegerP: "0"}, 0, 0, []string{"JAEGER_SAMPLER_TYPE=const, JAEGER_SAMPLER_PARAM=0: sampler.probability defaults to 0"}},
		{map[string]string{jaeger: "const", jaegerP: "0.5"}, 1, 0, []string{"JAEGER_SAMPLER_TYPE=const is not used: JAEGER_SAMPLER_PARAM is 0.5, and not 0 or 1"}},
		{map[string]string{jaeger: "ratelimiting", jaegerP: "2.5"}, 1, 2.5, []string{"JAEGER_SAMPLER_TYPE=ratelimiting, JAEGER_SAMPLER_PARAM=2.5: sampler.target_spans_per_second defaults to 2.5; Jaeger's clients count traces, this counts spans"}},
		{map[string]string{jaeger: "ratelimiting", jaegerP: "0"}, 1, 0, []string{"JAEGER_SAMPLER_TYPE=ratelimiting is not used: JAEGER_SAMPLER_PARAM is 0, and not a number above 0"}},
		{map[string]string{jaeger: "ratelimiting", jaegerP: "inf"}, 1, 0, []string{"JAEGER_SAMPLER_TYPE=ratelimiting is not used: JAEGER_SAMPLER_PARAM is inf, and not a number above 0"}},
		{map[string]string{jaeger: "remote", jaegerP: "0.1"}, 1, 0, []string{"JAEGER_SAMPLER_TYPE=remote is not used: only const, probabilistic and ratelimiting can be"}},
		{map[string]string{jaegerP: "0.1"}, 1, 0, []string{"JAEGER_SAMPLER_PARAM=0.1 is not used: JAEGER_SAMPLER_TYPE is not set"}},

		{map[string]string{otel: "traceidratio", otelArg: "0.5", jaeger: "const", jaegerP: "0"}, 0.5, 0, []string{
			"OTEL_TRACES_SAMPLER=traceidratio, OTEL_TRACES_SAMPLER_ARG=0.5: sampler.probability defaults to 0.5",
			"JAEGER_SAMPLER_TYPE=const is not used: OTEL_TRACES_SAMPLER goes first",
		}},
		{map[string]string{otel: "nonsense", jaeger: "probabilistic", jaegerP: "0.1"}, 0.1, 0, []string{
			"OTEL_TRACES_SAMPLER=nonsense is not used: only always_on, always_off and traceidratio can be, alone or after parentbased_",
			"JAEGER_SAMPLER_TYPE=probabilistic, JAEGER_SAMPLER_PARAM=0.1: sampler.probability defaults to 0.1",
		}},
	} {
		got, notes := EnvDefaults(func(key string) string { return v.env[key] })
		if got.Probability != v.probability || got.TargetSpansPerSecond != v.target || !slices.Equal(notes, v.notes) {
			t.Errorf("%v: probability %v, target %v, notes %q", v.env, got.Probability, got.TargetSpansPerSecond, notes)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%v: %v", v.env, err)
		}
	}
}
