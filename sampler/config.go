package sampler

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Config says how to sample. The zero value of every field but Probability
// stands for its default; Probability 0 keeps nothing, so start from [Default].
type Config struct {
	Mode Mode // default Equalizing
	// 0 to 1; of services that are not in Services, and of spans without a service.name
	Probability float64
	Precision   int    // hex digits of a threshold, 1 to 14; default 4
	HashSeed    uint32 // only in mode HashSeed; equal to that of the Collectors to agree with

	// Services has probabilities by service.name, in place of Probability. Names match exactly.
	Services map[string]float64

	// TargetSpansPerSecond is how many spans are kept per second, at most, as
	// measured over the last Window; 0 is no target. See target.go for what it does to consistency.
	TargetSpansPerSecond float64
	Window               time.Duration // default 10s
}

// Bounds of Config.
const (
	defaultPrecision = 4
	defaultWindow    = 10 * time.Second
	minWindow        = 100 * time.Millisecond
	maxWindow        = time.Hour
)

// Default keeps everything.
func Default() Config {
	return Config{Mode: Equalizing, Probability: 1, Precision: defaultPrecision, Window: defaultWindow}
}

// withDefaults fills in the fields that are zero, and copies the map.
func (c Config) withDefaults() Config {
	if c.Mode == "" {
		c.Mode = Equalizing
	}
	if c.Precision == 0 {
		c.Precision = defaultPrecision
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	c.Services = maps.Clone(c.Services)
	return c
}

// ConfigError is a setting that cannot be used, and what to write instead.
type ConfigError struct {
	Key string // as in a configuration: sampler.probability, sampler.services.NAME
	Err error
}

func (e *ConfigError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Validate finds everything that is wrong. Each is a [*ConfigError], joined where
// there are several.
func (c Config) Validate() error {
	_, err := c.compile()
	return err
}

// rates is a Config made ready for the hot path. It is never written to.
type rates struct {
	config   Config
	standard Rate
	services map[string]*Rate
}

func (c Config) compile() (*rates, error) {
	c = c.withDefaults()
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, &ConfigError{"sampler." + key, fmt.Errorf(format, args...)})
	}
	known := c.Mode == Equalizing || c.Mode == Proportional || c.Mode == HashSeed
	if !known {
		bad("mode", "%q is unknown; use equalizing, proportional or hash_seed", string(c.Mode))
		c.Mode = Equalizing
	}
	if c.Precision < 1 || c.Precision > hexDigits {
		bad("precision", "%d is not between 1 and 14; 4 suits nearly everyone", c.Precision)
		c.Precision = defaultPrecision
	}
	if known && c.HashSeed != 0 && c.Mode != HashSeed {
		bad("hash_seed", "%d has no effect in mode %s; remove it, or set mode to hash_seed", c.HashSeed, c.Mode)
	}
	if t := c.TargetSpansPerSecond; !(t >= 0) || math.IsInf(t, 0) {
		bad("target_spans_per_second", "%v is not a rate; use a number above 0, or 0 for no target", t)
	}
	if c.Window < minWindow || c.Window > maxWindow {
		bad("window", "%v is not between %v and %v; 10s suits nearly everyone", c.Window, minWindow, maxWindow)
	}
	rate := func(key string, p float64) *Rate {
		if !(p >= 0 && p <= 1) {
			hint := ""
			if p > 1 && p <= 100 {
				hint = fmt.Sprintf("; for %v %% write %v", p, p/100)
			}
			bad(key, "%v is not between 0 and 1%s", p, hint)
			return &Rate{}
		}
		r, err := NewRate(c.Mode, p, c.Precision, c.HashSeed)
		if err != nil {
			bad(key, "%w", err)
		}
		return &r
	}
	r := &rates{config: c, standard: *rate("probability", c.Probability)}
	if len(c.Services) > 0 {
		r.services = make(map[string]*Rate, len(c.Services))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if name == "" {
			bad("services", "a service without a name; spans without service.name follow sampler.probability")
			continue
		}
		r.services[name] = rate("services."+name, c.Services[name])
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return r, nil
}

// rate is the configured rate of a service.
func (r *rates) rate(service []byte) *Rate {
	if len(r.services) > 0 {
		if own, ok := r.services[string(service)]; ok {
			return own
		}
	}
	return &r.standard
}
