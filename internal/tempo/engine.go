package tempo

import (
	"net/http"
	"net/url"
	"time"

	"appliance/internal/readapi"
)

const (
	// askPatience bounds a request whose context has no deadline: that of a
	// streaming search.
	askPatience = 5 * time.Minute
	// maxAnswer is how many bytes of an answer, decompressed, are taken into
	// memory. A larger answer is an error.
	maxAnswer = 64 << 20
)

// Engine asks a Tempo elsewhere over its HTTP API.
//
// What Tempo refuses is a readapi.BadRequest with its words, and a Tempo that
// does not answer in time is readapi.ErrUnavailable.
//
// A request without a range is passed on without one: a Tempo answers it from
// what came lately. It finds any traces up to the limit of a search, which are
// then ordered; the hint most_recent=true asks it for the newest.
type Engine struct {
	url       func() (*url.URL, error)
	maxAnswer int64 // tests set a smaller one
	client    *http.Client
}

var _ readapi.Engine = (*Engine)(nil)

// NewEngine makes an Engine of the Tempo at base, which returns the URL of its
// HTTP API, such as http://tempo:3200 or https://user:password@gateway/tempo, or
// an error while there is none. It is asked for each request. Close frees the
// Engine's connections.
func NewEngine(base func() (*url.URL, error)) *Engine {
	return &Engine{url: base, maxAnswer: maxAnswer, client: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
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
