package serve

import (
	"errors"
	"strings"
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
		{map[string]string{"APPLIANCE_SAMPLER_WINDOW": "0s"}, false},
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
		{map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": "0"}, true},
		{map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": "1e-18"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_SERVICES": "=0.5"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_SERVICES": "a=1e-18"}, false},
		{map[string]string{"APPLIANCE_SAMPLER_PROBABILITY": "2", "APPLIANCE_SAMPLER_SERVICES": "=0.5"}, false},
	} {
		conf, err := config.Load(config.Sources{Getenv: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }})
		said := 0
		for _, err := range []error{err, CheckKeys(conf)} {
			if err != nil {
				said++
			}
			if at := (*config.Error)(nil); err != nil && (!errors.As(err, &at) || !strings.HasPrefix(at.Where, "APPLIANCE_SAMPLER_")) {
				t.Errorf("%v: %v does not say where", c.env, err)
			}
		}
		if (said == 0) != c.valid || said > 1 {
			t.Errorf("%v: config says %v, check %v", c.env, err, CheckKeys(conf))
			continue
		}
		if _, _, err := SamplerConfig(conf); c.valid && err != nil {
			t.Errorf("%v: the sampler says %v", c.env, err)
		}
	}
}

// TestRemoteWriteIsChecked names the key of what cannot be.
func TestRemoteWriteIsChecked(t *testing.T) {
	const prefix, url = "APPLIANCE_METRICS_REMOTE_WRITE_", "http://prometheus.example/api/v1/write"
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{nil, ""},
		{map[string]string{prefix + "URL": url, prefix + "LABELS": "tenant=a"}, ""},
		{map[string]string{prefix + "URL": "prometheus"}, prefix + "URL: it is not an http or https URL"},
		{map[string]string{prefix + "URL": url, prefix + "INTERVAL": "1h"}, prefix + "INTERVAL: 1h0m0s is not between"},
		{map[string]string{prefix + "URL": url, prefix + "LABELS": "tenant=a", "APPLIANCE_RECEIVER_TENANTS": "a"}, prefix + "LABELS: the series have a label tenant"},
		{map[string]string{prefix + "URL": url, "APPLIANCE_METRICS_MAX_SERIES": "0"}, prefix + "URL: there is nothing to send"},
		{map[string]string{prefix + "BEARER_TOKEN_FILE": "x"}, prefix + "BEARER_TOKEN_FILE: nothing is sent without metrics.remote_write.url"},
		{map[string]string{prefix + "HEADERS": "a=geheim"}, prefix + "HEADERS: nothing is sent without metrics.remote_write.url"},
	} {
		conf, err := config.Load(config.Sources{Getenv: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }})
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckKeys(conf); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%v: %v, want %s", c.env, err, c.want)
		}
	}
}

// TestTLSIsJudgedOnce holds that a file of TLS that needs another one is named with
// its place, on both ports.
func TestTLSIsJudgedOnce(t *testing.T) {
	for name, want := range map[string]string{
		"APPLIANCE_RECEIVER_TLS_CERT_FILE":      "APPLIANCE_RECEIVER_TLS_CERT_FILE: needs key_file as well",
		"APPLIANCE_RECEIVER_TLS_KEY_FILE":       "APPLIANCE_RECEIVER_TLS_KEY_FILE: needs cert_file as well",
		"APPLIANCE_RECEIVER_TLS_CLIENT_CA_FILE": "APPLIANCE_RECEIVER_TLS_CLIENT_CA_FILE: needs cert_file and key_file as well",
		"APPLIANCE_HTTP_TLS_CERT_FILE":          "APPLIANCE_HTTP_TLS_CERT_FILE: needs key_file as well",
		"APPLIANCE_HTTP_TLS_KEY_FILE":           "APPLIANCE_HTTP_TLS_KEY_FILE: needs cert_file as well",
	} {
		conf, err := config.Load(config.Sources{Getenv: func(is string) (string, bool) { return "a.pem", is == name }})
		if err != nil {
			t.Errorf("%s: config judges it: %v", name, err)
		}
		if err := Check(conf); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
