package receiver

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"appliance/internal/red"
	"appliance/internal/rules"
)

// Config is what an operator may set. What is zero counts, unless a field says
// what it stands for; see [Config.Check].
type Config struct {
	Listen     string // host:port of OTLP/HTTP
	GRPCListen string // host:port of OTLP/gRPC, for ListenGRPC

	// MaxBodyBytes bounds a body, as sent and decompressed. At least 1 KiB.
	MaxBodyBytes int
	// InflightBytes bounds the bytes of all requests being worked on: as sent,
	// decompressed, and to be kept. One request may need three times
	// MaxBodyBytes.
	InflightBytes int

	// ReadHeaderTimeout is for a header to arrive, with the TLS handshake before
	// the first one.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is for a body to arrive. OTLP clients give up after 10 s.
	ReadTimeout time.Duration
	// IdleTimeout is how long a connection waits for its next request. It should
	// be above that of clients (Go: 90 s), or requests meet a port that closes.
	IdleTimeout time.Duration

	TLS  TLS
	Auth Auth

	// Tenants that are served, named by the header X-Scope-OrgID. Empty: all
	// spans are of the tenant "single-tenant".
	Tenants []string

	// Rules are applied to every request before its spans are sampled; see
	// internal/rules.
	Rules []string

	// AllowedOrigins are the origins whose pages may send from a browser, each with
	// at most one wildcard, or "*" for all. Empty: none.
	AllowedOrigins []string

	// ClientRequestsPerSecond is the quota of each client address; above it
	// requests are answered 429. 0: none.
	ClientRequestsPerSecond float64

	// Meter is told of every valid span of requests that are answered 200, after the
	// rules and before sampling. nil: nothing is measured.
	Meter *red.Meter

	// What only tests change; zero is the default.
	// for others to free bytes, before a request is answered 503: 500 ms
	inflightWait time.Duration
	pooledBytes  int // of unused buffers that are kept for the next requests: 16 MiB
	// served at a time, more wait to be accepted: 2048. An idle one takes about 20 KiB
	maxConnections int
	writeTimeout   time.Duration // for a client to take an answer: 10 s
	reloadInterval time.Duration // how often TLS and token files are looked at: 5 s
	// requests that a quiet client may send at once: two seconds' worth
	clientBurst int
}

// maxHeaderBytes bounds the request line and the header.
const maxHeaderBytes = 16 << 10

func (c Config) withDefaults() Config {
	setDefault(&c.inflightWait, 500*time.Millisecond)
	setDefault(&c.pooledBytes, 16<<20)
	setDefault(&c.maxConnections, 2048)
	setDefault(&c.writeTimeout, 10*time.Second)
	setDefault(&c.reloadInterval, 5*time.Second)
	c.Tenants = slices.Clone(c.Tenants)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// ConfigError is what is wrong with one key of a Config.
type ConfigError struct {
	Key string // as operators write it, below that of the receiver: tenants, cors.allowed_origins
	Err error  // says what to do
}

func (e *ConfigError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Check says everything that is wrong, but for what stands in files: nil, or
// errors of *ConfigError that are joined.
func (c Config) Check() error {
	c = c.withDefaults()
	var errs []error
	bad := func(key string, err error) {
		if err != nil {
			errs = append(errs, &ConfigError{key, err})
		}
	}
	if c.MaxBodyBytes < 1<<10 || c.MaxBodyBytes > 1<<30 {
		bad("max_body_bytes", fmt.Errorf("%d bytes are not between 1KiB and 1GiB", c.MaxBodyBytes))
	} else if least := c.leastInflightBytes(); c.InflightBytes < least {
		bad("inflight_bytes", fmt.Errorf("%d bytes are less than the %d that a request of max_body_bytes (%d) may need; raise the one or lower the other",
			c.InflightBytes, least, c.MaxBodyBytes))
	}
	for _, t := range []struct {
		key string
		time.Duration
	}{{"read_header_timeout", c.ReadHeaderTimeout}, {"read_timeout", c.ReadTimeout}, {"idle_timeout", c.IdleTimeout}} {
		if t.Duration <= 0 {
			bad(t.key, fmt.Errorf("%v is not above 0", t.Duration))
		}
	}
	if c.ClientRequestsPerSecond < 0 {
		bad("client_requests_per_second", fmt.Errorf("%v is negative; 0 means no limit", c.ClientRequestsPerSecond))
	}
	for _, t := range c.Tenants {
		bad("tenants", checkTenant(t))
	}
	_, err := rules.New(c.Rules)
	bad("rules", err)
	for _, origin := range c.AllowedOrigins {
		_, err := newOrigins([]string{origin})
		bad("cors.allowed_origins", err)
	}
	return errors.Join(errs...)
}

// leastInflightBytes covers the largest request: as sent, and while what it
// decompresses to is moved to a larger buffer.
func (c *Config) leastInflightBytes() int {
	p := pool{maxBytes: c.pooledBytes}
	return 3 * p.size(c.MaxBodyBytes+zstdSlack)
}
