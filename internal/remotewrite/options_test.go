package remotewrite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"appliance/internal/telemetry"
)

// TestOptions names the key of what cannot be used.
func TestOptions(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for name, c := range map[string]struct {
		change func(*Options)
		want   string // of the error: the key, and what is said
	}{
		"right":           {func(*Options) {}, ""},
		"no label":        {func(o *Options) { o.Labels = map[string]string{"instance": ""} }, ""},
		"no URL":          {func(o *Options) { o.URL = "prometheus:9090" }, "url: it is not an http or https URL"},
		"a password":      {func(o *Options) { o.URL = "http://u:geheim@h/%zz" }, "url: it is not an http"},
		"two secrets":     {func(o *Options) { o.URL = "http://u:p@h/"; o.BearerTokenFile = missing }, "url: it has a user"},
		"too often":       {func(o *Options) { o.Interval = time.Millisecond }, "interval: 1ms is not between 1s and 4m0s"},
		"too seldom":      {func(o *Options) { o.Interval = time.Hour }, "interval: 1h0m0s is not between"},
		"label with dash": {func(o *Options) { o.Labels = map[string]string{"a-b": "c"} }, `labels: "a-b" is not a label`},
		"reserved label":  {func(o *Options) { o.Labels = map[string]string{"__name__": "c"} }, `labels: "__name__" is not a label`},
		"taken label":     {func(o *Options) { o.Labels = map[string]string{"service": "c"} }, "labels: the series have a label service"},
		"bad value":       {func(o *Options) { o.Labels = map[string]string{"a": "\xff"} }, "labels: the value of a is not UTF-8"},
		"bad header":      {func(o *Options) { o.Headers = map[string]string{"a b": "c"} }, `headers: "a b", or its value, is not a header`},
		"bad header text": {func(o *Options) { o.Headers = map[string]string{"a": "geheim\n"} }, `headers: "a", or its value, is not a header`},
		"secret header":   {func(o *Options) { o.Headers = map[string]string{"authorization": "geheim"} }, "headers: authorization belongs into a file"},
		"own header":      {func(o *Options) { o.Headers = map[string]string{"content-encoding": "gzip"} }, "headers: content-encoding is part of the protocol"},
		"two files":       {func(o *Options) { o.BearerTokenFile, o.BasicAuthFile = missing, missing }, "basic_auth_file: bearer_token_file is set too"},
		"no token":        {func(o *Options) { o.BearerTokenFile = empty }, "bearer_token_file: " + empty + " has no line with a secret"},
		"no file":         {func(o *Options) { o.BearerTokenFile = missing }, "bearer_token_file: " + missing + ": no such file"},
		"no user":         {func(o *Options) { o.BasicAuthFile = empty }, "basic_auth_file: " + empty},
		"half a pair":     {func(o *Options) { o.TLS.CertFile = missing }, "tls.cert_file: needs key_file as well"},
		"other half":      {func(o *Options) { o.TLS.KeyFile = missing }, "tls.key_file: needs cert_file as well"},
		"no CA":           {func(o *Options) { o.TLS.CAFile = empty }, "tls.ca_file: " + empty + " has no certificate in PEM"},
		"no pair":         {func(o *Options) { o.TLS.CertFile, o.TLS.KeyFile = missing, missing }, "tls.cert_file: "},
	} {
		o := Options{
			URL: "https://prometheus.example/api/v1/write", Interval: 15 * time.Second,
			Families: []telemetry.Metric{{Name: "calls_total", Labels: []string{"service"}}},
		}
		c.change(&o)
		_, err := New(o)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var wrong *KeyError
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
