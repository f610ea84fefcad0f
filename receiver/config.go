package receiver

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"appliance/internal/otlpwire"
	"appliance/internal/red"
)

// Config is what an operator may set. A zero field means its default.
type Config struct {
	Listen     string // host:port of OTLP/HTTP. Default ":4318"
	GRPCListen string // host:port of OTLP/gRPC, for ListenGRPC

	// MaxBodyBytes bounds a body, as sent and decompressed. Default 16 MiB.
	MaxBodyBytes int
	// InflightBytes bounds the bytes of all requests being worked on: as sent,
	// decompressed, and to be kept. One request may need three times
	// MaxBodyBytes. Default 64 MiB.
	InflightBytes int
	// InflightWait is how long a request waits for others to free bytes before
	// it is answered 503. Default 500 ms.
	InflightWait time.Duration
	// PooledBytes of unused buffers are kept for the next requests. Default 16 MiB.
	PooledBytes int

	// MaxConnections are served at a time; more wait to be accepted. An idle one
	// takes about 20 KiB. Default 2048.
	MaxConnections int
	// MaxHeaderBytes bounds the request line and the header. Default 16 KiB.
	MaxHeaderBytes int
	// ReadHeaderTimeout is for a header to arrive, with the TLS handshake before
	// the first one. Default 10 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is for a body to arrive. OTLP clients give up after 10 s.
	// Default 15 s.
	ReadTimeout time.Duration
	// WriteTimeout is for a client to take an answer. Default 10 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection waits for its next request. It should
	// be above that of clients (Go: 90 s), or requests meet a port that closes.
	// Default 2 minutes.
	IdleTimeout time.Duration

	TLS  TLS
	Auth Auth
	// ReloadInterval is how often TLS and token files are looked at. Default 5 s.
	ReloadInterval time.Duration

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
	// ClientBurst is how many requests a client that was quiet may send at once.
	// Default two seconds' worth.
	ClientBurst int

	// Meter is told of every valid span of requests that are answered 200, after the
	// rules and before sampling. nil: nothing is measured.
	Meter *red.Meter

	// Limits of one request's contents.
	Limits otlpwire.Limits
}

func (c Config) withDefaults() Config {
	setDefault(&c.Listen, ":4318")
	setDefault(&c.MaxBodyBytes, 16<<20)
	setDefault(&c.InflightBytes, 64<<20)
	setDefault(&c.InflightWait, 500*time.Millisecond)
	setDefault(&c.PooledBytes, 16<<20)
	setDefault(&c.MaxConnections, 2048)
	setDefault(&c.MaxHeaderBytes, 16<<10)
	setDefault(&c.ReadHeaderTimeout, 10*time.Second)
	setDefault(&c.ReadTimeout, 15*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.IdleTimeout, 2*time.Minute)
	setDefault(&c.ReloadInterval, 5*time.Second)
	c.Tenants = slices.Clone(c.Tenants)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate expects defaults to be filled in.
func (c *Config) validate() error {
	for _, n := range []struct {
		name  string
		value int
	}{
		{"max_body_bytes", c.MaxBodyBytes},
		{"inflight_bytes", c.InflightBytes},
		{"pooled_bytes", c.PooledBytes},
		{"max_connections", c.MaxConnections},
		{"max_header_bytes", c.MaxHeaderBytes},
		{"client_burst", c.ClientBurst + 1},
	} {
		if n.value < 1 {
			return fmt.Errorf("%s must not be negative", n.name)
		}
	}
	if least := c.leastInflightBytes(); c.InflightBytes < least {
		return fmt.Errorf("inflight_bytes is %d bytes, below the %d that a request of max_body_bytes (%d) may need; raise the one or lower the other", c.InflightBytes, least, c.MaxBodyBytes)
	}
	if c.ClientRequestsPerSecond < 0 {
		return errors.New("client_requests_per_second must not be negative")
	}
	for _, t := range c.Tenants {
		if err := checkTenant(t); err != nil {
			return fmt.Errorf("tenants: %w", err)
		}
	}
	return c.TLS.Validate()
}

// leastInflightBytes covers the largest request: as sent, and while what it
// decompresses to is moved to a larger buffer.
func (c *Config) leastInflightBytes() int {
	p := pool{maxBytes: c.PooledBytes}
	return 3 * p.size(c.MaxBodyBytes+zstdSlack)
}
