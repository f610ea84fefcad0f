package sampler

import (
	"fmt"
	"strconv"
	"strings"
)

// EnvDefaults is [Default] changed by the environment variables that people
// already set for their SDKs and for Jaeger's clients, and a sentence on each that was
// read, for the start-up lines. getenv is os.Getenv.
//
//	OTEL_TRACES_SAMPLER  always_on, always_off, traceidratio, or one of them after parentbased_
//	                     (what the parent chose is not asked for), with OTEL_TRACES_SAMPLER_ARG
//	JAEGER_SAMPLER_TYPE  const, probabilistic, ratelimiting (as target_spans_per_second), with
//	                     JAEGER_SAMPLER_PARAM; only where OTEL_TRACES_SAMPLER says nothing usable
//
// As in the SDKs, what is wrong or unknown is as if it were not set, and a note
// says so: a typing error must not keep a collector from starting.
func EnvDefaults(getenv func(string) string) (Config, []string) {
	c := Default()
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if fromOTel(&c, getenv, note) {
		if name := getenv("JAEGER_SAMPLER_TYPE"); name != "" {
			note("JAEGER_SAMPLER_TYPE=%s is not used: OTEL_TRACES_SAMPLER goes first", name)
		}
		return c, notes
	}
	fromJaeger(&c, getenv, note)
	return c, notes
}

func fromOTel(c *Config, getenv func(string) string, note func(string, ...any)) (used bool) {
	name, arg := getenv("OTEL_TRACES_SAMPLER"), strings.TrimSpace(getenv("OTEL_TRACES_SAMPLER_ARG"))
	name = strings.TrimSpace(name)
	switch kind := strings.ToLower(name); strings.TrimPrefix(kind, "parentbased_") {
	case "":
		if kind != "" {
			note("OTEL_TRACES_SAMPLER=%s is not used: it names no sampler", name)
		} else if arg != "" {
			note("OTEL_TRACES_SAMPLER_ARG=%s is not used: OTEL_TRACES_SAMPLER is not set", arg)
		}
		return false
	case "always_on":
		c.Probability = 1
		note("OTEL_TRACES_SAMPLER=%s: sampler.probability defaults to 1", name)
	case "always_off":
		c.Probability = 0
		note("OTEL_TRACES_SAMPLER=%s: sampler.probability defaults to 0, nothing is kept", name)
	case "traceidratio":
		p, ok := fraction(arg)
		switch {
		case ok:
			c.Probability = p
			note("OTEL_TRACES_SAMPLER=%s, OTEL_TRACES_SAMPLER_ARG=%s: sampler.probability defaults to %v", name, arg, p)
		case arg == "":
			note("OTEL_TRACES_SAMPLER=%s without OTEL_TRACES_SAMPLER_ARG: sampler.probability defaults to 1", name)
		default:
			note("OTEL_TRACES_SAMPLER_ARG=%s is not a number from 0 to 1: sampler.probability defaults to 1", arg)
		}
	default:
		note("OTEL_TRACES_SAMPLER=%s is not used: only always_on, always_off and traceidratio can be, alone or after parentbased_", name)
		return false
	}
	return true
}

func fromJaeger(c *Config, getenv func(string) string, note func(string, ...any)) {
	name, param := getenv("JAEGER_SAMPLER_TYPE"), strings.TrimSpace(getenv("JAEGER_SAMPLER_PARAM"))
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "":
		if param != "" {
			note("JAEGER_SAMPLER_PARAM=%s is not used: JAEGER_SAMPLER_TYPE is not set", param)
		}
	case "const":
		if p, ok := fraction(param); ok && (p == 0 || p == 1) {
			c.Probability = p
			note("JAEGER_SAMPLER_TYPE=const, JAEGER_SAMPLER_PARAM=%s: sampler.probability defaults to %v", param, p)
			return
		}
		note("JAEGER_SAMPLER_TYPE=const is not used: JAEGER_SAMPLER_PARAM is %s, and not 0 or 1", orUnset(param))
	case "probabilistic":
		if p, ok := fraction(param); ok {
			c.Probability = p
			note("JAEGER_SAMPLER_TYPE=probabilistic, JAEGER_SAMPLER_PARAM=%s: sampler.probability defaults to %v", param, p)
			return
		}
		note("JAEGER_SAMPLER_TYPE=probabilistic is not used: JAEGER_SAMPLER_PARAM is %s, and not a number from 0 to 1", orUnset(param))
	case "ratelimiting":
		if rate, err := strconv.ParseFloat(param, 64); err == nil && rate > 0 && rate <= 1e12 {
			c.TargetSpansPerSecond = rate
			note("JAEGER_SAMPLER_TYPE=ratelimiting, JAEGER_SAMPLER_PARAM=%s: sampler.target_spans_per_second defaults to %v; Jaeger's clients count traces, this counts spans", param, rate)
			return
		}
		note("JAEGER_SAMPLER_TYPE=ratelimiting is not used: JAEGER_SAMPLER_PARAM is %s, and not a number above 0", orUnset(param))
	default:
		note("JAEGER_SAMPLER_TYPE=%s is not used: only const, probabilistic and ratelimiting can be", name)
	}
}

// fraction reads a number from 0 to 1 that a threshold can express.
func fraction(s string) (float64, bool) {
	p, err := strconv.ParseFloat(s, 64)
	return p, err == nil && (p == 0 || p >= minProbability && p <= 1)
}

func orUnset(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}
