package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// leastMemory is the lowest memory_limit with which there is room for anything.
const leastMemory Bytes = 64 << 20

// maxSeries is the highest metrics.max_series: a scrape has about twenty lines
// for each.
const maxSeries = 50_000

// validate checks what a value alone cannot tell. It reports everything that is
// wrong, not only the first, but nothing of keys whose text could not be read:
// that is said already, and what stands in their place now will not be in
// force.
func (l *Loaded) validate() error {
	var errs []error
	bad := func(path, format string, args ...any) {
		if l.Known(path) {
			errs = append(errs, l.At(path, fmt.Errorf(format, args...)))
			l.unusable[path] = true
		}
	}
	oneOf := func(path, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			bad(path, "%q is none of %s", value, strings.Join(allowed, ", "))
		}
	}
	address := func(path, value string) {
		if _, port, err := net.SplitHostPort(value); err != nil {
			bad(path, "%q is not an address; write it like :4318 or 127.0.0.1:4318", value)
		} else if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			bad(path, "%q has no port from 0 to 65535, but %q (%d)", value, port, n)
		}
	}
	tempoURL := func(path, value string) {
		if value == "" {
			return
		}
		switch u, err := url.Parse(value); {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "nomad":
			bad(path, "%q is not a URL; write it like http://tempo.example:4318, or nomad://SERVICE for a service that Nomad knows", Redact(value))
		case u.Scheme == "nomad" && (u.Port() != "" || u.User != nil):
			bad(path, "%q is not nomad://SERVICE: Nomad knows the port", Redact(value))
		}
	}
	positive := func(path string, d time.Duration) {
		if d <= 0 {
			bad(path, "%v is not above 0", d)
		}
	}

	c := &l.Config
	if c.DataDir == "" {
		bad("data_dir", "is empty; name a directory")
	}
	address("receiver.listen", c.Receiver.Listen)
	if c.Receiver.GRPCListen != "" {
		address("receiver.grpc_listen", c.Receiver.GRPCListen)
	}
	address("http.listen", c.HTTP.Listen)
	// What the receiver and its TLS need themselves is said by those; see
	// receiver.Config and access.TLS.
	for _, path := range c.HTTP.Auth.OpenPaths {
		oneOf("http.auth.open_paths", path, "/ready", "/healthz", "/metrics")
	}
	// What the sampler itself needs is said by the sampler; see sampler.Config.
	if t := c.Sampler.PressureThreshold; t <= 0 || t > 1 {
		bad("sampler.pressure_threshold", "%v is not a share of the spool between 0 and 1", t)
	}
	if c.Sampler.PressureSpansPerSecond < 0 {
		bad("sampler.pressure_spans_per_second", "%v is negative; 0 means that sampling does not depend on the spool", c.Sampler.PressureSpansPerSecond)
	}
	if w := c.Tail.DecisionWait; w < 100*time.Millisecond || w > time.Hour {
		bad("tail.decision_wait", "%v is not between 100ms and 1h; 30s suits nearly everyone", w)
	}
	if r := c.Tail.Remember; r < time.Second || r > 24*time.Hour {
		bad("tail.remember", "%v is not between 1s and 24h; 10m suits nearly everyone", r)
	}
	if c.Forwarder.DrainDeadline < 0 {
		bad("forwarder.drain_deadline", "%v is negative; 0 means that a stop does not wait", c.Forwarder.DrainDeadline)
	}
	positive("forwarder.settle", c.Forwarder.Settle)
	if t := c.Forwarder.TraceIdle; t < 0 || t > time.Hour {
		bad("forwarder.trace_idle", "%v is not between 0 and 1h; 20s suits a Tempo with its own defaults", t)
	}
	if c.Spool.MaxBytes < 1<<20 {
		bad("spool.max_bytes", "%v is less than 1MiB", c.Spool.MaxBytes)
	}
	tempoURL("forwarder.tempo_url", c.Forwarder.TempoURL)
	tempoURL("tempo.query_url", c.Tempo.QueryURL)
	if c.Retention < time.Minute {
		bad("retention", "%v is less than 1m: traces would be deleted at once", c.Retention)
	}
	if c.MemoryLimit != 0 && c.MemoryLimit < leastMemory {
		bad("memory_limit", "%v is less than %v; 0 means what the cgroup of the process allows", c.MemoryLimit, leastMemory)
	}
	if w := c.Blocks.MaxWait; w < 100*time.Millisecond || w > 10*time.Minute {
		bad("blocks.max_wait", "%v is not between 100ms and 10m", w)
	}
	if m := c.Blocks.MergeAfter; m < time.Second || m > time.Hour {
		bad("blocks.merge_after", "%v is not between 1s and 1h", m)
	}
	if m := c.Blocks.MaxBytes; m < 1<<20 {
		bad("blocks.max_bytes", "%v is less than 1MiB", m)
	}
	if d := c.Archive.Delay; d < 0 {
		bad("archive.delay", "%v is negative; 0 means at once when it is merged", d)
	}
	if c.Archive.Keep < 0 {
		bad("archive.keep", "%v is negative; 0 means for ever", c.Archive.Keep)
	}
	if n := c.Metrics.MaxSeries; n < 0 || n > maxSeries {
		bad("metrics.max_series", "%d is not between 0 and %d", n, maxSeries)
	}
	if w := c.Metrics.PairWait; w < time.Second || w > 10*time.Minute {
		bad("metrics.pair_wait", "%v is not between 1s and 10m", w)
	}
	if keep, most := c.Archive.KeepBytes, c.Archive.MaxBytes; most > 0 && keep > most && l.Known("archive.max_bytes") {
		bad("archive.keep_bytes", "%v is more than archive.max_bytes (%v), at which nothing more is archived: nothing would ever be pruned by it", keep, most)
	}
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "auto", "text", "json")
	return errors.Join(errs...)
}
