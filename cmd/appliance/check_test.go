package main

import (
	"testing"

	"appliance/internal/config"
)

// TestSamplerIsJudgedOnce holds that config names with its place whatever the sampler would refuse.
func TestSamplerIsJudgedOnce(t *testing.T) {
	for _, c := range []struct {
		env   map[string]string
		valid bool
	}{
		{nil, true},
		{map[string]string{"APPLIANCE_SAMPLER_WINDOW": "100ms"}, true},
		{map[string]string{"APPLIANCE_SAMPLER_WINDOW": "99ms"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_WINDOW": "1h"}, true},
		{map[string]string{"APPLIANCE_SAMPLER_WINDOW": "61m"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_HASH_SEED": "7"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_HASH_SEED": "7", "APPLIANCE_SAMPLER_MODE": "hash_seed"}, true},
		{map[string]string{"APPLIANCE_SAMPLER_MODE": "proportional"}, true},
		{map[string]string{"APPLIANCE_SAMPLER_MODE": "other"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_PRECISION": "14"}, true},
		{map[string]string{"APPLIANCE_SAMPLER_PRECISION": "15"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_PRECISION": "0"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_TARGET_SPANS_PER_SECOND": "-1"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_TARGET_SPANS_PER_SECOND": "Inf"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": "NaN"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_SERVICES": "a=0.1,b=1.1"}, false},
	} {
		conf, err := config.Load(config.Sources{Getenv: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }})
		if (err == nil) != c.valid {
			t.Errorf("%v: config says %v", c.env, err)
			continue
		}
		if _, _, err := samplerConfig(conf); c.valid && err != nil {
			t.Errorf("%v: the sampler says %v", c.env, err)
		}
	}
}
