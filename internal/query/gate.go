package query

import (
	"context"
	"net/http"
	"strings"
)

// gate lets Tempo read a few whole traces at once: for each, its ingester takes a read buffer of 1 MiB for every column of a
// block, some 150 of them. Other requests pass.
type gate struct {
	*http.Transport
	reading chan struct{} // as many as there may be; nil for any number
}

func newGate(t *http.Transport, traces int) *gate {
	g := &gate{Transport: t}
	if traces > 0 {
		g.reading = make(chan struct{}, traces)
	}
	return g
}

// RoundTrip returns when the answer begins, and then Tempo has read the trace. It gives up waiting when the request's context ends.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.reading != nil && (strings.Contains(r.URL.Path, "/api/traces/") || strings.Contains(r.URL.Path, "/api/v2/traces/")) {
		select {
		case g.reading <- struct{}{}:
			defer func() { <-g.reading }()
		case <-r.Context().Done():
			return nil, context.Cause(r.Context())
		}
	}
	return g.Transport.RoundTrip(r)
}
