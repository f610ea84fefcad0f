package tempo

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"appliance/internal/readapi"
)

const (
	// defaultTimeout bounds a request whose context has no deadline: that of a
	// streaming search.
	defaultTimeout = 5 * time.Minute
	// defaultMaxAnswer is how many bytes of an answer are taken into memory.
	defaultMaxAnswer = 64 << 20
)

// EngineOptions of an Engine.
type EngineOptions struct {
	// URL returns the base of Tempo's HTTP API, such as http://tempo:3200 or
	// https://user:password@gateway/tempo, or an error while there is none. It
	// is asked for each request.
	URL func() (*url.URL, error)
	// TLS is for https. nil: the certificates of the system.
	TLS *tls.Config
	// Timeout bounds a request whose context has no deadline. 0: five minutes.
	Timeout time.Duration
	// MaxAnswer is how many bytes of an answer, decompressed, are taken into
	// memory. 0: 64 MiB. A larger answer is an error.
	MaxAnswer int64
}

// Engine asks a Tempo elsewhere over its HTTP API.
//
// What Tempo refuses is a readapi.BadRequest with its words, and a Tempo that
// does not answer in time is readapi.ErrUnavailable.
//
// A request without a range is passed on without one: a Tempo answers it from
// what came lately. It finds any traces up to the limit of a search, which are
// then ordered; the hint most_recent=true asks it for the newest.
type Engine struct {
	options EngineOptions
	client  *http.Client
}

var _ readapi.Engine = (*Engine)(nil)

// NewEngine makes an Engine. Close frees its connections.
func NewEngine(o EngineOptions) *Engine {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxAnswer == 0 {
		o.MaxAnswer = defaultMaxAnswer
	}
	return &Engine{options: o, client: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     o.TLS,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 32,
			IdleConnTimeout:     30 * time.Second,
		},
		// Where it leads is not Tempo: a page to log in to.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// Close frees the connections that are idle.
func (e *Engine) Close() error {
	e.client.CloseIdleConnections()
	return nil
}
