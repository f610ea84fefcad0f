package receiver

import (
	"net/http"
	"strings"

	"appliance/internal/access"
)

// TLS names the PEM files to serve HTTPS with.
type TLS = access.TLS

// Auth says who may send.
type Auth struct {
	// BearerTokenFile holds the accepted tokens, one a line; empty lines and
	// lines that begin with # do not count. It is read again when it changes.
	// Empty: everybody may send.
	BearerTokenFile string
}

// authorized checks the Authorization header of a request (RFC 6750).
func (r *Receiver) authorized(h http.Header) bool {
	if r.tokens == nil {
		return true
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && r.tokens.Get().Accept(strings.TrimSpace(token))
}
